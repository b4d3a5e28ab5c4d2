"""Builds compared by what a model learns from them: one recipe, equal samples seen, several seeds.

Source: DataComp (Gadre et al. 2023), section 3.2: the model and the steps are fixed, and only the
data differ.
"""
