"""What came after the log: the chain that made 2nd place. Source: github.com/hirune924/kaggle-SETI-2ndPlaceSolution."""

from seti_utils.log.registry import Log, edit
from seti_utils.log.specs import Pseudo

TITLE = "The 2nd-place solution"
NOISE = {"drop_rate": 0.5, "drop_path_rate": 0.3}
"""What makes a student a noisy one."""
TALLER = {"resize": edit(freq=768), "epochs": 10}
STUDENT_IS_ONE = "a noisy student: soft scores of the last weights on every test row, learned from those weights with noise"


def write(log: Log) -> None:
    """Write down teacher, pseudo fine-tune, noisy students, the taller image and their blend."""
    students(log)
    second_backbone(log)
    log.blend(
        "second_place",
        "plain mean of three B5 and two EfficientNetV2-M runs",
        ("noisy_student1", "noisy_student2", "taller", "v2m_student", "v2m_taller"),
        note="Private AUC 0.81206. Which five runs they were is known by architecture only.",
    )


def students(log: Log) -> None:
    """From the teacher to a taller image, each starting from the weights and the scores of the one before."""
    exp = log.exp
    log.alias("teacher", "exp011")
    exp(
        "pseudo_tune",
        "exp011",
        "fine-tune with confident pseudo labels",
        init_from="exp011",
        stages=1,
        head_first=None,
        confidence="H",
        pseudo=Pseudo("exp011", above=0.95, below=0.05),
        because="20 more epochs from the teacher's weights, which need no warm-up",
        verdict="board 0.807, the teacher 0.802",
    )
    exp(
        "noisy_student1",
        "pseudo_tune",
        "noisy student on every test row",
        init_from="pseudo_tune",
        confidence="H",
        pseudo=Pseudo("pseudo_tune"),
        **NOISE,
        because=STUDENT_IS_ONE,
        verdict="board 0.811",
    )
    exp(
        "noisy_student2",
        "noisy_student1",
        "once more",
        init_from="noisy_student1",
        pseudo=edit(source="noisy_student1"),
        because=STUDENT_IS_ONE,
        confidence="H",
        verdict="the step that made him 2nd",
    )
    exp(
        "taller",
        "noisy_student2",
        "768 freq x 512 time",
        **TALLER,
        init_from="noisy_student2",
        pseudo=edit(source="noisy_student2"),
        confidence="H",
        verdict="board 0.813",
        because="half the epochs: the weights have seen the rows, only the scale is new",
    )


def second_backbone(log: Log) -> None:
    """Another network that learns the students' scores."""
    exp = log.exp
    exp(
        "v2m_student",
        "exp009",
        "EfficientNetV2-M learns the students' scores",
        init_from="exp009",
        stages=1,
        pseudo=Pseudo("noisy_student2"),
        **NOISE,
        because=STUDENT_IS_ONE,
        confidence="M",
    )
    exp(
        "v2m_taller",
        "v2m_student",
        "768 freq x 512 time",
        **TALLER,
        init_from="v2m_student",
        pseudo=edit(source="v2m_student"),
        because="as for the B5",
        confidence="M",
    )
