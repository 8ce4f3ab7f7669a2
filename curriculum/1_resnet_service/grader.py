"""What the lab of unit 1 asks, and how each answer is judged.

Runs in the grader's process only. Every message ends with what to do.
"""

from lab_utils.grade.spec import Lab
from lab_utils.models import resnet

from .tasks.build_int8_predictor import BUILD_INT8_PREDICTOR
from .tasks.build_predictor import BUILD_PREDICTOR
from .tasks.find_bottleneck import FIND_BOTTLENECK
from .tasks.measure_latency import MEASURE_LATENCY
from .tasks.postprocess import POSTPROCESS
from .tasks.preprocess import PREPROCESS
from .tasks.service_settings import SERVICE_SETTINGS

LAB = Lab(
    "1_resnet_service",
    (
        PREPROCESS,
        POSTPROCESS,
        MEASURE_LATENCY,
        FIND_BOTTLENECK,
        SERVICE_SETTINGS,
        BUILD_PREDICTOR,
        BUILD_INT8_PREDICTOR,
    ),
    prepare=resnet.have_weights,
)
