"""The kernel behind ``functional``: loss and gradient of eq. 10 in one pass.

``autograd`` has the equations and the autograd function, which runs one of two kernels:
``tiles`` without a host sync, or ``segments`` in the least memory. Both are made of
``primitives``. ``checks`` refuses wrong inputs; ``repulsion`` is a loss beside the
paper's. All import torch alone.
"""
