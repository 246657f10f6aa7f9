"""Custom nodes for the tests alone: what core makes with weights that are not here, without them.

SAM3_TRACK_DATA and DA3_GEOMETRY come from masks and depth images that are given; their form is core's own, made by
core's own function where there is one. CLIP and VAE of public models are the fakes of tiny_models.py.
"""

import importlib.util
from pathlib import Path

import torch


class FullDiTTestSam3:
    """Masks of up to two objects as what Run SAM3 Video Track gives: SAM's own square size, eight pixels a
    byte. `images` is the video that they were found in."""

    SIDE = 288
    RETURN_TYPES = ("SAM3_TRACK_DATA",)
    FUNCTION = "make"
    CATEGORY = "FullDiT/test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"one": ("MASK",)}, "optional": {"two": ("MASK",), "images": ("IMAGE",)}}

    def make(self, one, two=None, images=None):
        from comfy.ldm.sam3.tracker import pack_masks

        given = torch.stack([one, torch.zeros_like(one) if two is None else two], 1).float()
        square = torch.nn.functional.interpolate(given, size=(self.SIDE, self.SIDE), mode="bilinear")
        # Logits, as SAM has them: above 0 is inside.
        track = {"packed_masks": pack_masks(square - 0.5), "n_frames": len(one), "scores": [0.97, 0.88]}
        return ({**track, "orig_size": tuple(one.shape[1:] if images is None else images.shape[1:3])},)


class FullDiTTestGeometry:
    """A depth clip (near is bright) as what Run Depth Anything 3 gives in its mono mode."""

    RETURN_TYPES = ("DA3_GEOMETRY",)
    FUNCTION = "make"
    CATEGORY = "FullDiT/test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"disparity": ("IMAGE",), "images": ("IMAGE",)}}

    def make(self, disparity, images):
        depth = 1 / (0.05 + 0.45 * disparity[..., 0])
        height, width = images.shape[1:3]
        depth = torch.nn.functional.interpolate(depth[:, None], size=(height, width), mode="bilinear")[:, 0]
        return ({"depth": depth.contiguous(), "image": images[..., :3].cpu(), "mode": "mono"},)


class FullDiTTestTextAndVae:
    """A text encoder and a VAE of the shapes of Wan's, and the encoded text."""

    RETURN_TYPES = ("CLIP", "VAE", "CONDITIONING")
    FUNCTION = "make"
    CATEGORY = "FullDiT/test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def make(self):
        file = Path(__file__).resolve().with_name("tiny_models.py")
        spec = importlib.util.spec_from_file_location("fulldit_tiny_models", file)
        tiny = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tiny)
        clip = tiny.FakeCLIP()
        return clip, tiny.FakeVAE(), clip.encode_from_tokens_scheduled("")


class FullDiTTestVision:
    """Features of an image of the shape of CLIP vision's, which has no small form."""

    RETURN_TYPES = ("CLIP_VISION_OUTPUT",)
    FUNCTION = "make"
    CATEGORY = "FullDiT/test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def make(self, image):
        from comfy.clip_vision import Output

        seen = Output()
        small = torch.nn.functional.interpolate(image[:1, :, :, 0][None], size=(257, 1280))
        seen["penultimate_hidden_states"] = small[0].float()
        return (seen,)


NODE_CLASS_MAPPINGS = {
    "FullDiTTestSam3": FullDiTTestSam3,
    "FullDiTTestGeometry": FullDiTTestGeometry,
    "FullDiTTestTextAndVae": FullDiTTestTextAndVae,
    "FullDiTTestVision": FullDiTTestVision,
}
