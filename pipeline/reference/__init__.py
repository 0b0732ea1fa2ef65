"""From a photo of another product to a shot of ours: what stands in it, and how it stands there."""

from pipeline.reference.hints import Hints, read_hints
from pipeline.reference.photo import Photo, read_photo
from pipeline.reference.placement import Placement, front_angle, place
from pipeline.reference.pose import DrawDepth, Pose, PoseAtlas, pose_atlas
from pipeline.reference.segmentation import Figure, Segmentation, from_mask, segment

__all__ = ["DrawDepth", "Figure", "Hints", "Photo", "Placement", "Pose", "PoseAtlas", "Segmentation", "from_mask",
           "front_angle", "place", "pose_atlas", "read_hints", "read_photo", "segment"]
