"""The hand-made reference networks as torch modules, as their papers describe them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from pixsearch.nn.reparam import Branches
from pixsearch.signature import Signature
from pixsearch.space.reference import FSRCNN, ReferenceGenotype, convolutions


class Espcn(nn.Module):
    """Three convolutions at the input's size, tanh between them, pixel-shuffle at the end (Shi et al. 2016)."""

    def __init__(self, genotype: ReferenceGenotype, signature: Signature) -> None:
        super().__init__()
        self.scale = signature.scale
        plan = convolutions(genotype, signature)
        self.convs = nn.ModuleList(nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, padding=conv.kernel // 2) for conv in plan)
        for conv in self.convs:
            nn.init.xavier_normal_(conv.weight)  # type: ignore[arg-type]
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H·scale, W·scale)."""
        for conv in self.convs[:-1]:
            x = conv(x).tanh()
        return F.pixel_shuffle(self.convs[-1](x), self.scale)


class Fsrcnn(nn.Module):
    """Extraction, shrinking, mapping, expanding with PReLU, then a transposed 9×9 convolution (Dong et al. 2016)."""

    def __init__(self, genotype: ReferenceGenotype, signature: Signature) -> None:
        super().__init__()
        *plan, last = convolutions(genotype, signature)
        parts: list[nn.Module] = []
        for conv in plan:
            dense = nn.Conv2d(conv.inputs, conv.outputs, conv.kernel, padding=conv.kernel // 2)
            nn.init.kaiming_normal_(dense.weight, a=0.25)
            nn.init.zeros_(dense.bias)  # type: ignore[arg-type]
            parts += [dense, nn.PReLU(conv.act)]
        self.body = nn.Sequential(*parts)
        self.up = nn.ConvTranspose2d(
            last.inputs, last.outputs, FSRCNN["kernel"], signature.scale, FSRCNN["kernel"] // 2, output_padding=signature.scale - 1
        )
        nn.init.normal_(self.up.weight, std=0.001)
        nn.init.zeros_(self.up.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H·scale, W·scale)."""
        out: Tensor = self.up(self.body(x))
        return out


def build_reference(genotype: ReferenceGenotype, signature: Signature, branches: Branches) -> nn.Module:
    """The network of this name; the published ones train in plain form, whatever `branches` says."""
    del branches
    return Espcn(genotype, signature) if genotype.name == "espcn" else Fsrcnn(genotype, signature)
