"""Where :mod:`replicate_log` disagrees with the author, or cannot tell: one sentence on why it may."""

LIVES = "(Lives: his died in fp16, at 1e-3 on all of ImageNet's weights at once; these are small, in float32, and know needles.)"

REMARKS: dict[str, str] = {
    "exp0009": "(Not told apart from none: the stand-ins differ by a third in width only.)",
    "exp0010": "(As much as B3's stand-in, and neither is told apart from none.)",
    "exp0011": "(Better than so-so: a small network with few cadences gains by having ON and OFF compared for it.)",
    "exp0015": "(Not terrible: here a panel of its own has 48 time pixels and in a stack of six only 8, at his size 512 and 85.)",
    "exp0016_upsample": "(Worse than no gain: half of these rows are positive already.)",
    "exp002": LIVES,
    "exp003": "(The test rises, the CV does not: 720 validation cadences cannot tell a change of 0.01.)",
    "exp004": LIVES,
    "exp005": LIVES,
    "exp006": LIVES,
    "exp007": "(Helps: he had twice the steps, here they are shared; each stage is one epoch, at the full rate to its end.)",
    "exp008": "(Costs: nothing was dead that it could cure, and RAdam holds a stage's first steps back, of which there are few.)",
    "exp009": "(Cannot tell: its stand-in is B5's, so it is the same run as exp011.)",
    "exp010": "(Its stand-in is B6's: the same run as exp017.)",
    "exp014_w": "(As exp011.)",
    "exp011": "(Costs: nothing was unstable; RAdam holds back the first of a stage's 90 steps, which in his 20 epochs is nothing.)",
    "noisy_student1": "(No gain of its own, but one step later: its 180 steps with drop_rate 0.5 are few.)",
}
