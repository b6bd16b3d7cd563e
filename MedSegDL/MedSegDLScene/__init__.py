"""Slicer's scene on one side, the engine's Image, LabelMap and Segmentation on the other.

Imports slicer, vtk, numpy and the light modules of MedSegDLLib; never qt, never torch.
"""
