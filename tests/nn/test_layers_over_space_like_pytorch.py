"""Every layer over space beside PyTorch's: loaded weights, values, gradients, types, odd sizes, empty batches."""

import pytest

LINE, PLANE, BOX = (2, 4, 9), (2, 4, 7, 6), (2, 4, 5, 4, 6)

# The layer, its settings, and the shape of an input.
TABLE = [
    ("Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "dilation": 2, "groups": 2}, LINE),
    ("Conv2d", {"in_channels": 4, "out_channels": 6, "kernel_size": (3, 2), "padding": (2, 1), "bias": False}, PLANE),
    ("Conv2d", {"in_channels": 4, "out_channels": 8, "kernel_size": 3, "padding": "same", "groups": 4}, PLANE),
    ("Conv3d", {"in_channels": 4, "out_channels": 3, "kernel_size": 2, "stride": (1, 2, 1), "padding": 1}, BOX),
    ("ConvTranspose1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "groups": 2}, LINE),
    ("ConvTranspose2d", {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1}, PLANE),
    ("ConvTranspose3d", {"in_channels": 4, "out_channels": 2, "kernel_size": 2, "dilation": 2, "padding": 1}, BOX),
    ("MaxPool1d", {"kernel_size": 3, "stride": 2, "padding": 1}, LINE),
    ("MaxPool2d", {"kernel_size": (3, 2), "stride": 2, "padding": 1, "ceil_mode": True}, PLANE),
    ("MaxPool3d", {"kernel_size": 2, "stride": 1, "dilation": 2}, BOX),
    ("AvgPool1d", {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}, LINE),
    ("AvgPool2d", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, PLANE),
    ("AvgPool3d", {"kernel_size": 2, "divisor_override": 3}, BOX),
    ("LPPool1d", {"norm_type": 2, "kernel_size": 2}, LINE),
    ("LPPool2d", {"norm_type": 2, "kernel_size": 3, "stride": 2, "ceil_mode": True}, PLANE),
    ("LPPool3d", {"norm_type": 2, "kernel_size": 2}, BOX),
    ("AdaptiveAvgPool1d", {"output_size": 4}, LINE),
    ("AdaptiveAvgPool2d", {"output_size": (3, None)}, PLANE),
    ("AdaptiveAvgPool3d", {"output_size": 1}, BOX),
    ("AdaptiveMaxPool1d", {"output_size": 4}, LINE),
    ("AdaptiveMaxPool2d", {"output_size": (3, 4)}, PLANE),
    ("AdaptiveMaxPool3d", {"output_size": 2}, BOX),
    ("ZeroPad1d", {"padding": (1, 2)}, LINE),
    ("ZeroPad2d", {"padding": (1, 0, 2, -1)}, PLANE),
    ("ZeroPad3d", {"padding": 1}, BOX),
    ("ConstantPad1d", {"padding": 2, "value": 3.0}, LINE),
    ("ConstantPad2d", {"padding": (0, 1, 2, 3), "value": -1.0}, PLANE),
    ("ConstantPad3d", {"padding": 1, "value": 0.5}, BOX),
    ("ReflectionPad1d", {"padding": (3, 1)}, LINE),
    ("ReflectionPad2d", {"padding": (1, 2, 0, 3)}, PLANE),
    ("ReflectionPad3d", {"padding": 1}, BOX),
    ("ReplicationPad1d", {"padding": (3, 1)}, LINE),
    ("ReplicationPad2d", {"padding": (1, 2, 0, 3)}, PLANE),
    ("ReplicationPad3d", {"padding": 1}, BOX),
    ("CircularPad1d", {"padding": (3, 1)}, LINE),
    ("CircularPad2d", {"padding": (1, 2, 0, 3)}, PLANE),
    ("CircularPad3d", {"padding": 1}, BOX),
    ("Upsample", {"scale_factor": 1.5, "mode": "linear"}, LINE),
    ("Upsample", {"size": (9, 5), "mode": "bilinear", "align_corners": True}, PLANE),
    ("Upsample", {"scale_factor": 2, "mode": "bicubic"}, PLANE),
    ("Upsample", {"size": (3, 5, 7), "mode": "trilinear"}, BOX),
    ("Upsample", {"size": (9, 4), "mode": "nearest-exact"}, PLANE),
    ("PixelShuffle", {"upscale_factor": 2}, (2, 8, 3, 5)),
    ("PixelUnshuffle", {"downscale_factor": 2}, (2, 3, 6, 4)),
    ("ChannelShuffle", {"groups": 2}, (2, 6, 3, 5)),
    ("Unfold", {"kernel_size": (3, 2), "padding": 1, "stride": 2}, PLANE),
    ("Fold", {"output_size": (7, 6), "kernel_size": (3, 2), "padding": 1, "stride": 2}, (2, 18, 16)),
]  # fmt: skip
EVERY = pytest.mark.parametrize(("name", "settings", "shape"), TABLE)
# PyTorch takes these not of no samples, or not of the type.
NO_EMPTY = ("AdaptiveMaxPool", "PixelShuffle", "PixelUnshuffle")
NOT_LOW = ("AvgPool3d", "LPPool3d")


@EVERY
def test_layers_are_pytorchs(name, settings, shape, like_pytorch):
    like_pytorch(name, settings, [shape]).agree()


@EVERY
def test_layers_of_an_empty_batch_are_pytorchs(name, settings, shape, like_pytorch, empty):
    pair = like_pytorch(name, settings, [empty(shape, 0)])
    if name.startswith(NO_EMPTY):
        assert pair.found(compiled=False)[0].shape == (
            0,
            *like_pytorch(name, settings, [shape]).expected()[0].shape[1:],
        )
    else:
        pair.agree()


@EVERY
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_layers_are_pytorchs_in_every_type(name, settings, shape, dtype, like_pytorch):
    if name in NOT_LOW and dtype != "float32":
        pytest.skip("PyTorch has it of no such numbers")
    like_pytorch(name, settings, [shape], dtype).agree()


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_compiled_layers_are_pytorchs(name, settings, shape, dtype, like_pytorch, empty):
    if name in NOT_LOW and dtype != "float64":
        pytest.skip("PyTorch has it of no such numbers")
    like_pytorch(name, settings, [shape], dtype).agree(compiled=True)
    if not name.startswith(NO_EMPTY):
        like_pytorch(name, settings, [empty(shape, 0)], dtype).agree(compiled=True)
