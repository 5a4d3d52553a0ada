"""The layers of our networks by name, and the sweep that puts noise on one of them alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from noise_resistance.study.architectures import depth_of
from noise_resistance.study.grid import Evaluation, Training
from noise_resistance.study.paths import LAYER_SCOPE

__all__ = ["LayerSweep", "layers_of"]

_BATCHNORM_ONLY = ("batchnorm",)
_WITHOUT_BATCHNORM = ("kernels", "live_kernels", "dead_kernels")


@dataclass(frozen=True)
class LayerSweep:
    """Noise on one layer alone.

    Attributes:
        levels: noise levels; without any there is no sweep.
        scope: which arrays of the layer receive noise.
    """

    levels: tuple[float, ...]
    scope: str

    def evaluations(self, trainings: Iterable[Training]) -> list[Evaluation]:
        """Return the sweep of each training, from the first layer to the last."""
        return [
            Evaluation(training, f"{LAYER_SCOPE}{layer}", level)
            for training in trainings
            for layer in layers_of(training.model, self.scope)
            for level in self.levels
        ]


def layers_of(model: str, scope: str) -> list[str]:
    """Return the layers of a network that have arrays in a scope, in the network's order.

    Args:
        model: such as ``resnet20``.
        scope: a noise scope.
    """
    pairs = [("stem_conv", "stem_bn")]
    for stage in (1, 2, 3):
        for number in range(1, (depth_of(model) - 2) // 6 + 1):
            name = f"stage{stage}_block{number}"
            pairs += [(f"{name}_conv{one}", f"{name}_bn{one}") for one in (1, 2)]
            if stage > 1 and number == 1:
                pairs.append((f"{name}_shortcut", ""))
    pairs.append(("dense", ""))
    layers = [
        layer
        for convolution, batchnorm in pairs
        for layer in (
            convolution if scope not in _BATCHNORM_ONLY else "",
            batchnorm if scope not in _WITHOUT_BATCHNORM else "",
        )
    ]
    return [layer for layer in layers if layer]
