"""The Luigi tasks, which compose the stages into a build; each declares what it reads and makes.

In the order of the data: `queries`, `pairs`, `pictures`, `build_wit`.
"""
