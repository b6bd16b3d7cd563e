"""The parts of MedSegDL's panel: each file one part with one job, all on widgets of Resources/UI/MedSegDL.ui.

Imports qt, slicer and MedSegDLScene; never torch. A part shows what it is given and tells what a person did; what is chosen
lies in the module's parameter node.
"""
