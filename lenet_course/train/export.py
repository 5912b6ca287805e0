"""A trained network as an ONNX file, which programs without PyTorch can run.

All three functions need the packages of ``pip install "lenet-course[onnx]"``.
"""

from importlib import import_module
from pathlib import Path

import torch

from lenet_course.arguments import whole_number
from lenet_course.files import write_whole
from lenet_course.train.evaluation import check_model, device_of, evaluation_mode, predict

TOLERANCE = 1e-5  # of the largest logit


def export_onnx(model, input_shape, path):
    """Write a model in evaluation mode to an ONNX file, all of it or nothing.

    Parameters
    ----------
    model : torch.nn.Module
    input_shape : tuple of int
        That of one image, such as (1, 28, 28). The file takes any number of images at a time; its
        input is called "images", its output "logits".
    path : str or Path
    """
    check_model(model)
    for package in ("onnx", "onnxscript"):
        _needed(package)
    shape = [whole_number("input_shape", size) for size in input_shape]
    images = torch.zeros(2, *shape)
    predict(model, images)  # says what is wrong with the shape, in fewer words than the exporter
    with evaluation_mode(model), torch.no_grad():
        program = torch.onnx.export(
            model,
            (images.to(device_of(model)),),
            dynamo=True,
            verbose=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("N")},),
        )
    proto = program.model_proto
    for node in proto.graph.node:
        del node.metadata_props[:]  # it names files of this machine
    write_whole(path, proto.SerializeToString(deterministic=True), "the ONNX file")


def predict_onnx(path, x):
    """Return the logits of an ONNX file for images x, computed by onnxruntime on the CPU.

    A file that is torn, or that `export_onnx` has not written, raises a ValueError.
    """
    runtime = _needed("onnxruntime")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no network at {path}: export_onnx writes it")
    try:
        session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        parts = [session.run(["logits"], {"images": p.numpy()})[0] for p in x.split(1000)]
    except Exception as error:  # onnxruntime has a class for each kind of failure, and no parent
        shape = tuple(x.shape)
        raise ValueError(
            f"{path} cannot be run on images of shape {shape}: it was cut off or altered, or is "
            f"another network's ({error})"
        ) from error
    return torch.cat([torch.from_numpy(part) for part in parts])


def check_onnx(model, path, x):
    """Compare an ONNX file's logits for images x with the model's; give the largest difference.

    If it is more than 1/100,000 of the largest logit, or NaN, a ValueError tells it: the file was
    altered, or is another network's.
    """
    ours, theirs = predict(model, x), predict_onnx(path, x)
    if ours.shape != theirs.shape:
        raise ValueError(
            f"{path} is another network's: it gives logits of shape {tuple(theirs.shape)}, the "
            f"model {tuple(ours.shape)}"
        )
    difference, largest = float((ours - theirs).abs().max()), float(ours.abs().max())
    if not difference <= TOLERANCE * largest:
        raise ValueError(
            f"{path} gives other logits than the model, by up to {difference:.1e} where the "
            f"largest is {largest:.2f}: the file was altered or is another network's; export anew"
        )
    return difference


def _needed(name):
    """Import a package that only this module needs."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f'ONNX files need the package {name}: pip install "lenet-course[onnx]"'
        ) from error
