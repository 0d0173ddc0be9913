"""Pushing with the real client: once, honestly, and without showing credentials."""

import json

import pytest
from local_kaggle import Fault, Script
from local_kaggle.fixtures import built, kaggle, kaggle_process, kernel, repository, site  # noqa: F401 - fixtures

from seti_utils.kaggle import client, credentials, errors
from seti_utils.kaggle.push import push, read_pushes
from seti_utils.kaggle.status import status

KERNEL = "tester/seti-train-sky-demo-fold0-seed2021"


@pytest.fixture
def pauses():
    """Seconds that a push would have slept."""
    return []


def pushes(site) -> int:
    """How many versions the site holds."""
    return sum(map(len, site.kernels.versions.values()))


def test_a_push_arrives_once_with_a_run_id(kaggle_process, kernel):
    pushed = push(kernel)
    assert [method for method, _ in kaggle_process.calls] == ["GetKernelSessionStatus", "SaveKernel"]
    (request,) = [request for method, request in kaggle_process.calls if method == "SaveKernel"]
    assert pushed.version == 1 and pushed.kernel == KERNEL == request["slug"]
    assert f'RUN_ID, KERNEL = "{pushed.run_id}", ' in json.loads(request["text"])["cells"][0]["source"]
    assert request["machineShape"] == "NvidiaTeslaT4" and request["enableInternet"] is False
    assert [entry["run_id"] for entry in read_pushes(kernel)] == [pushed.run_id]


def test_every_push_is_a_run_of_its_own(kaggle, kernel):
    assert push(kernel).run_id != push(kernel).run_id and len(read_pushes(kernel)) == 2


def test_an_active_run_is_not_joined_by_a_second(kaggle, kernel):
    kaggle.kernels.scripts[KERNEL] = [Script(("RUNNING",))]
    push(kernel)
    with pytest.raises(errors.RunActive, match="running"):
        push(kernel)
    assert pushes(kaggle) == 1 and len(read_pushes(kernel)) == 1


def test_capacity_is_told_or_waited_for(kaggle, kernel, pauses):
    full = {"error": "Maximum batch GPU session count of 2 reached."}
    kaggle.faults.append(Fault("SaveKernel", body="answer", answer=full, times=1))
    kaggle.kernels.sessions = 0
    try:
        with pytest.raises(errors.Capacity, match="session count"):
            push(kernel, sleep=pauses.append)
        assert pushes(kaggle) == 0 and pauses == [] and not read_pushes(kernel)
        pushed = push(kernel, wait_for_capacity=3600, sleep=lambda seconds: setattr(kaggle.kernels, "sessions", 2))
    finally:
        kaggle.kernels.sessions = 2
    assert pushed.version == 1 and pushes(kaggle) == 1


def test_sources_that_are_dropped_are_an_error(kaggle, kernel):
    metadata = json.loads((kernel / "kernel-metadata.json").read_text(encoding="utf-8"))
    (kernel / "kernel-metadata.json").write_text(
        json.dumps({**metadata, "kernel_sources": ["tester/no-such-kernel"]}), encoding="utf-8"
    )
    with pytest.raises(errors.InvalidSources, match="version 1 was pushed without kernel sources: .*no-such-kernel"):
        push(kernel)


def test_models_that_are_dropped_in_silence_are_an_error(kaggle, kernel):
    name = "timm/tf-efficientnet/pyTorch/tf-efficientnet-b0/1"  # the local site tells of no model that it dropped
    metadata = json.loads((kernel / "kernel-metadata.json").read_text(encoding="utf-8"))
    (kernel / "kernel-metadata.json").write_text(json.dumps({**metadata, "model_sources": [name]}), encoding="utf-8")
    assert push(kernel).version == 1
    kaggle.kernels.unknown_sources.add(name)
    with pytest.raises(errors.InvalidSources, match="tf-efficientnet-b0"):
        push(kernel)


def test_a_version_can_be_saved_without_a_run(kaggle, kernel):
    """The site looks whether it knows every source; nothing runs, no quota is used, no session must be free."""
    kaggle.kernels.sessions = 0
    try:
        saved = push(kernel, run=False)
    finally:
        kaggle.kernels.sessions = 2
    (request,) = [request for method, request in kaggle.calls if method == "SaveKernel"]
    assert saved.version == 1 and request["kernelExecutionType"] == "QUICK_SAVE" and not read_pushes(kernel)
    metadata = json.loads((kernel / "kernel-metadata.json").read_text(encoding="utf-8"))
    wrong = {**metadata, "kernel_sources": ["tester/no-such-kernel"]}
    (kernel / "kernel-metadata.json").write_text(json.dumps(wrong), encoding="utf-8")
    with pytest.raises(errors.InvalidSources, match="was saved without kernel sources: .*no-such-kernel; .*nothing runs"):
        push(kernel, run=False)


def test_throttling_for_an_hour_is_waited_out(kaggle, kernel, pauses):
    kaggle.faults.append(Fault("SaveKernel", 429, message="Too many requests", headers={"Retry-After": "3600"}))
    assert push(kernel, sleep=pauses.append).version == 1 and pauses == [3600]


def test_throttling_is_waited_out(kaggle, kernel, pauses):
    kaggle.faults.append(Fault("SaveKernel", 429, message="Too many requests", times=2))
    assert push(kernel, sleep=pauses.append).version == 1
    assert pauses == [30, 60] and kaggle.count("SaveKernel") == 1


def test_throttling_without_end_is_told(kaggle, kernel, pauses):
    kaggle.faults.append(Fault("SaveKernel", 429, "html", times=99))
    with pytest.raises(errors.Throttled):
        push(kernel, sleep=pauses.append, tries=2)
    assert pauses == [30] and pushes(kaggle) == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("SaveKernel", body="cut", after=True),
        Fault("SaveKernel", 502, "html", after=True),
        Fault("SaveKernel", 500, message="Something went wrong", after=True),
    ],
    ids=["cut", "502", "unknown"],
)
def test_a_lost_answer_does_not_push_twice(kaggle, kernel, pauses, fault):
    kaggle.faults.append(fault)
    pushed = push(kernel, sleep=pauses.append)
    assert pushed.version == 0 and pushes(kaggle) == 1 and pauses == []
    assert read_pushes(kernel)[-1]["run_id"] == pushed.run_id


def test_a_lost_request_is_repeated(kaggle, kernel, pauses):
    kaggle.faults.append(Fault("SaveKernel", 503, "html"))
    assert push(kernel, sleep=pauses.append).version == 1 and pauses == [30]


def test_what_cannot_be_found_out_is_not_repeated(kaggle, kernel, pauses):
    kaggle.faults += [Fault("SaveKernel", body="cut", after=True), Fault("GetKernel", 503, "html")]
    with pytest.raises(errors.Unsettled, match="answer was lost"):
        push(kernel, sleep=pauses.append)
    assert pushes(kaggle) == 1 and not read_pushes(kernel)
    notebook = kernel / "notebook.ipynb"
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("RUN_ID, KERNEL =", "OWN, KERNEL ="), encoding="utf-8")
    kaggle.faults.append(Fault("SaveKernel", body="cut", after=True))
    with pytest.raises(errors.Unsettled, match="this notebook carries no run id to look for"):
        push(kernel, sleep=pauses.append)
    assert pushes(kaggle) == 2 and not read_pushes(kernel)


@pytest.mark.parametrize(
    ("status_code", "body", "kind"),
    [
        (401, "json", errors.Unauthorized),
        (403, "html", errors.Forbidden),
        (409, "json", errors.Conflict),
        (413, "html", errors.TooLarge),
    ],
)
def test_refusals_keep_their_names(kaggle, kernel, status_code, body, kind):
    kaggle.faults.append(Fault("SaveKernel", status_code, body, "Conflict"))
    with pytest.raises(kind):
        push(kernel)
    assert pushes(kaggle) == 0 and not read_pushes(kernel)


def test_a_kernel_that_lands_elsewhere_is_an_error(kaggle, kernel):
    kaggle.faults.append(Fault("SaveKernel", body="answer", answer={"url": "https://www.kaggle.com/code/tester/other"}))
    with pytest.raises(errors.SlugMismatch, match="landed at tester/other"):
        push(kernel)


def test_a_bad_kernel_never_reaches_the_site(kaggle, kernel):
    metadata = json.loads((kernel / "kernel-metadata.json").read_text(encoding="utf-8"))
    (kernel / "kernel-metadata.json").write_text(json.dumps({**metadata, "title": "another title"}), encoding="utf-8")
    with pytest.raises(errors.BadKernel, match="would land there"):
        push(kernel)
    assert kaggle.calls == []


def test_credentials_are_never_shown(kaggle_process, kernel, monkeypatch, capfd):
    for name in ("VERBOSE", "VERBOSE_OUTPUT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KAGGLE_KEY", "w" * 32)
    with pytest.raises(errors.Unauthorized) as raised:
        push(kernel, owner="tester")
    shown = "".join(capfd.readouterr()) + str(raised.value)
    assert not any(secret in shown for secret in credentials.secrets()) and "Authorization" not in shown


def test_redaction_covers_every_form(kaggle, monkeypatch):
    import base64

    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_secretsecret")
    basic = base64.b64encode(f"tester:{'k' * 32}".encode()).decode()
    text = f"key {'k' * 32} basic {basic} token KGAT_secretsecret Authorization: Bearer abc.def"
    assert credentials.redact(text) == "key ***** basic ***** token ***** Authorization: Bearer *****"


def test_the_environment_is_an_allow_list(kaggle, monkeypatch):
    for name in ("VERBOSE", "KAGGLE_PATH", "KAGGLE_KERNEL_RUN_TYPE", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")
    environment = client.clean_environment()
    assert not {"VERBOSE", "KAGGLE_PATH", "KAGGLE_KERNEL_RUN_TYPE", "PYTHONPATH"} & set(environment)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    assert "KAGGLE_API_ENVIRONMENT" not in client.clean_environment()


def test_who_is_logged_in(kaggle, monkeypatch):
    assert client.user() == "tester"
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    with pytest.raises(errors.Unauthorized):
        client.user()


def test_no_client_and_no_answer(kaggle_process, monkeypatch, tmp_path):
    with pytest.raises(errors.ConnectionLost, match="no answer within"):
        client.ask("get_config_value", name="username", timeout=0.01)
    monkeypatch.setenv("SETI_KAGGLE_CLIENT", str(tmp_path / "nothing"))
    with pytest.raises(errors.NoClient, match="SETI_KAGGLE_CLIENT"):
        client.user()
    (tmp_path / "python").symlink_to("/bin/false")
    monkeypatch.setenv("SETI_KAGGLE_CLIENT", str(tmp_path / "python"))
    with pytest.raises(errors.UnknownAnswer, match="exit status 1"):
        client.user()


def test_a_site_that_is_away(kaggle, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(errors.ConnectionLost):
        status(KERNEL)
