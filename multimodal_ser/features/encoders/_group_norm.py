"""Hides padding from a speech model in the two places that its attention mask does not cover.

A group norm over time takes its mean over padded frames as well. A convolution over frames lets
padding that is no longer zero leak into the last valid frames.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from multimodal_ser.features.encoders._spectral import mask_of


class Valid:
    """The number of valid steps of each row `[R]` at two places; None where no row is padded.

    first: steps after the first convolution. frames: frames of the encoder.
    kernel, stride: of the first convolution, in samples.
    """

    def __init__(self, kernel: int, stride: int) -> None:
        self.kernel, self.stride = kernel, stride
        self.first: Tensor | None = None
        self.frames: Tensor | None = None

    def tell(self, lengths: Tensor | None, frames: Tensor | None) -> None:
        """Set the number of samples and frames of each row `[R]`; call it before the model."""
        self.first = None if lengths is None else (lengths - self.kernel) // self.stride + 1
        self.frames = frames

    def zeroed(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        """A hook before a convolution over frames `[R, C, T]`: zeros after each row's end."""
        if self.frames is None:
            return None
        x, *rest = arguments
        return (x.masked_fill(~mask_of(self.frames, x.shape[-1]).unsqueeze(1), 0.0), *rest)


class ValidGroupNorm(nn.Module):
    """A group norm with one group a channel, whose statistics use only the valid steps of each row.

    Its parameters have the same names as those of the norm that it replaces.
    """

    def __init__(self, norm: nn.GroupNorm, valid: Valid) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.valid = valid

    def forward(self, x: Tensor) -> Tensor:
        """`[R, C, T]` → `[R, C, T]`; the values of padded steps have no meaning."""
        if self.valid.first is None:
            return nn.functional.group_norm(x, x.shape[1], self.weight, self.bias, self.eps)
        exact = x.float()
        mask = mask_of(self.valid.first, x.shape[-1]).unsqueeze(1)
        count = self.valid.first.view(-1, 1, 1)
        mean = exact.masked_fill(~mask, 0.0).sum(-1, keepdim=True) / count
        centred = exact - mean
        variance = centred.masked_fill(~mask, 0.0).square().sum(-1, keepdim=True) / count
        scale = self.weight.view(1, -1, 1) * (variance + self.eps).rsqrt()
        return (centred * scale + self.bias.view(1, -1, 1)).to(x.dtype)


def deafen(model: Any) -> Valid:
    """Make a model of the wav2vec 2.0 family ignore padding, and return its `Valid`.

    `Valid.tell` must be called before each call of the model. An attention mask is still needed.
    """
    layer = model.feature_extractor.conv_layers[0]
    valid = Valid(layer.conv.kernel_size[0], layer.conv.stride[0])
    if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
        layer.layer_norm = ValidGroupNorm(layer.layer_norm, valid)
    for module in model.encoder.modules():
        if isinstance(module, nn.Conv1d) and module.kernel_size[0] > 1:
            module.register_forward_pre_hook(valid.zeroed)
    return valid
