"""A frozen network that a training is held to."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_cosda.models.taps import check_taps, record_taps


@MODELS.register_module()
class FrozenReference(nn.Module):
    """The backbone as its ``init_cfg`` made it, never trained: usually ImageNet's.

    ``model.reference`` of a ``UDAEncoderDecoder``, for alignments that compare the
    student's features with it (``FeatureDistanceLoss``). It is built when a training
    begins or resumes, if any alignment asks for it, never for test and inference. It
    loads ``model.backbone.init_cfg`` itself, whatever ``load_from`` says, and so needs
    no place in a checkpoint.

    Raises:
        ValueError: If the backbone has no pretrained weights, when it is built.

    Source: the feature distance of DAFormer (arXiv 2111.14887), section 3.3.
    """

    def __init__(self) -> None:
        super().__init__()
        # Hidden from the module's tree: neither saved nor loaded nor optimized.
        self._net: list[nn.Module] = []

    def build(
        self, backbone: Mapping[str, Any], paths: Iterable[str], device: torch.device
    ) -> None:
        """Make the network, once.

        Args:
            backbone: Config of the segmentor's backbone.
            paths: Tap paths that alignments ask for.
            device: Where it computes.

        Raises:
            ValueError: If ``backbone.init_cfg`` names no weights, or a path lies
                outside the backbone.
        """
        if self._net:
            return
        init = backbone.get("init_cfg")
        if not isinstance(init, Mapping) or init.get("type") != "Pretrained":
            raise ValueError(
                f"model.reference: model.backbone.init_cfg={init} names no pretrained "
                'weights to hold to; give dict(type="Pretrained", checkpoint=...), or '
                "leave out model.reference and the alignments that need it"
            )
        net: Any = MODELS.build(copy.deepcopy(dict(backbone)))
        net.init_weights()
        net.eval()
        net.requires_grad_(False)
        check_taps(nn.ModuleDict({"backbone": net}), paths, "model.reference")
        self.hold(net.to(device))

    def hold(self, backbone: nn.Module) -> None:
        """Take a backbone that is in eval mode and has no gradients."""
        self._net[:] = [nn.ModuleDict({"backbone": backbone})]

    def weights(self) -> list[Tensor]:
        """Return the tensors that it holds, of which the state dict has none."""
        return [x for net in self._net for x in (*net.parameters(), *net.buffers())]

    @torch.no_grad()
    def maps(self, images: Tensor, paths: Iterable[str]) -> dict[str, Tensor]:
        """Return feature maps of images.

        Args:
            images: (B, 3, H, W), as the student's.
            paths: Tap paths within the backbone.

        Returns:
            By path, (B, K, h, w), without graph.
        """
        (whole,) = self._net
        with record_taps(whole, paths) as features:
            whole.get_submodule("backbone")(images)
        return dict(features)

    def _apply(
        self, fn: Callable[[Tensor], Tensor], recurse: bool = True
    ) -> FrozenReference:
        apply_to: Any = nn.Module._apply
        for module in (*self._net, self):
            apply_to(module, fn, recurse)
        return self
