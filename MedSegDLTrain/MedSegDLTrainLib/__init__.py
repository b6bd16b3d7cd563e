"""Training for MedSegDL: cases in, a model for the zoo out. Imports MedSegDLLib only."""
