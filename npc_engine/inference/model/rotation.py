"""A change of basis in which no coordinate of the residual stream stands out.

A few coordinates of a decoder's residual stream are many times larger than the rest, and eight bits for the whole row
leave the rest few steps. Turned by a Hadamard matrix, the large ones are spread over all. The turn is free: a norm
without weights commutes with it, so it is folded into the weights that read and write the stream (QuaRot: Ashkboos et
al., arXiv 2404.00456).
"""

import torch


class Rotation:
    """An orthogonal, symmetric matrix over ``width`` coordinates: Hadamard blocks, as large as the width allows."""

    def __init__(self, width: int) -> None:
        block = torch.ones(1, 1)
        while width % (2 * len(block)) == 0:
            block = torch.cat((torch.cat((block, block), 1), torch.cat((block, -block), 1)))
        self._block = block / len(block) ** 0.5

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The last dimension of ``x`` in the other basis, float32. Applied twice, it is ``x`` again."""
        blocks = x.float().reshape(-1, len(self._block))
        return torch.mm(blocks, self._block).view(x.shape)
