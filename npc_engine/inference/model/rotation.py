"""A change of basis in which no coordinate stands out.

A few coordinates of a decoder's activations are many times larger than the rest, and eight bits for the whole row leave
the rest few steps. Turned by a Hadamard matrix, the large ones are spread over all. In the residual stream the turn is
free: a norm without weights commutes with it, so it is folded into the weights that read and write the stream (QuaRot:
Ashkboos et al., arXiv 2404.00456).
"""

import torch

_LARGEST_BLOCK = 64


class Rotation:
    """An orthogonal, symmetric matrix over ``width`` coordinates.

    It is a Hadamard matrix over ``block`` coordinates that lie ``stride`` apart, and the same for their neighbours:
    adding and subtracting neighbouring coordinates together is what vector instructions are for.
    """

    def __init__(self, width: int) -> None:
        matrix = torch.ones(1, 1)
        while len(matrix) < _LARGEST_BLOCK and width % (2 * len(matrix)) == 0:
            matrix = torch.cat((torch.cat((matrix, matrix), 1), torch.cat((matrix, -matrix), 1)))
        self.block, self.stride = len(matrix), width // len(matrix)
        self._matrix = matrix / self.block**0.5

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The last dimension of ``x`` in the other basis, float32. Applied twice, it is ``x`` again."""
        # As one product over rows of blocks: many small products, a stride wide, take four times as long.
        neighbours = x.float().reshape(-1, self.block, self.stride).transpose(1, 2)
        turned = torch.mm(neighbours.reshape(-1, self.block), self._matrix)
        return turned.view(neighbours.shape).transpose(1, 2).reshape(x.shape)
