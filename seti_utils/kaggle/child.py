"""Talks to the kaggle client in a process of its own: one request comes in as JSON, answers go out as lines of JSON.

:mod:`seti_utils.kaggle.client` starts this file with the Python that the client belongs to. Importing the client logs
in and may end the process, so nothing imports it elsewhere; and because that Python may be another one, nothing of
``seti_utils`` is imported here.

A request is ``{"call": …, "arguments": {…}}``. A call with a dot, such as ``kernels.get_kernel_session_status``, is a
remote call of the client's SDK whose arguments are the fields of its request, in the site's camelCase; any other is a
method of ``KaggleApi``. The last line is ``{"value": …}`` or ``{"error": {…}}``; what a method yields comes before it,
as ``{"event": …}``.
"""

import datetime
import enum
import inspect
import json
import os
import sys
import typing

NETWORK = ("ConnectionError", "Timeout", "ChunkedEncodingError", "JSONDecodeError", "ProtocolError", "IncompleteRead")
"""Names of exceptions, of requests, urllib3 and the standard library, after which nobody knows what the site did."""


class TooOld(Exception):
    """This client lacks the call, or one of its arguments."""


def replies(request: dict) -> typing.Iterator[dict]:
    """Every line of the answer to ``request``."""
    try:
        value = called(login(), request["call"], request["arguments"])
        if inspect.isgenerator(value):
            for event in value:
                yield {"event": plain(event)}
            value = None
        yield {"value": plain(value)}
    except SystemExit:
        yield {"error": {"type": "login", "status": 401, "message": "nobody is logged in", "wait": None}}
    except Exception as error:
        yield {"error": described(error)}


def login():
    """The client's ``KaggleApi``, logged in; ``SystemExit`` where no credentials are accepted."""
    import kaggle
    from kaggle.api.kaggle_api_extended import KaggleApi

    KaggleApi.already_printed_version_warning = True
    # The caller decides how long to wait after a 429, not the client.
    KaggleApi._is_rate_limited = staticmethod(lambda error: False)  # pyright: ignore[reportAttributeAccessIssue]
    KaggleApi._upload_file = arriving(KaggleApi._upload_file)
    if not kaggle.api._authenticated:
        try:
            kaggle.api.authenticate()
        except Exception as error:
            if described(error)["status"] in (400, 401, 403):  # a token that has expired or was revoked
                raise SystemExit from error
            raise
    return kaggle.api


def arriving(upload):
    """``upload`` for whole sets of files: client 2.2.4 makes a dataset or model without the file that was lost."""

    def checked(self, file_name, *rest, **more):
        try:
            file = upload(self, file_name, *rest, **more)
        except ValueError:
            file = None
        if file is None:
            raise ConnectionError(f"{file_name} did not arrive, and nothing was made")
        return file

    return checked if upload.__name__ != "checked" else upload


def called(api, call: str, arguments: dict):
    """What ``call`` returns."""
    service, dot, name = call.partition(".")
    if not dot:
        method = getattr(api, call, None)
        if method is None:
            raise TooOld(f"it has no {call}")
        unknown = sorted(set(arguments) - set(inspect.signature(method).parameters))
        if unknown:
            raise TooOld(f"its {call} takes no {', '.join(unknown)}")
        return method(**arguments)
    with api.build_kaggle_client() as site:
        clients = [value for key, value in vars(getattr(site, service)).items() if key.endswith("_client")]
        method = next(getattr(client, name) for client in clients if hasattr(client, name))
        return method(typing.get_type_hints(method)["request"].from_dict(arguments))


def plain(value):
    """``value`` as JSON can hold it: the SDK's objects by their fields in camelCase, times as ISO text, spans in seconds."""
    if hasattr(value, "_fields") and hasattr(value, "to_dict"):
        return {field.json_name: plain(getattr(value, field.private_field_name)) for field in value._fields}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(entry) for entry in value]
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def described(error: BaseException) -> dict:
    """An exception as type, HTTP status (None without an answer), message, and the seconds that a 429 asks to wait.

    The client wraps some of the site's refusals into exceptions of its own; the answer is then in what they came from.
    """
    chain, inner = [], error
    while inner is not None and inner not in chain:
        chain.append(inner)
        inner = inner.__cause__ or inner.__context__
    answer = next((found for found in (getattr(link, "response", None) for link in chain) if found is not None), None)
    if answer is not None:
        message, status = said(answer)
        return {"type": "HTTPError", "status": status, "message": message, "wait": retry_after(answer.headers)}
    network = any(name == kind.__name__ for link in chain for kind in type(link).__mro__ for name in NETWORK)
    kind = "network" if network or "does not match expected size" in str(error) else type(error).__name__
    return {"type": kind, "status": None, "message": str(error), "wait": None}


def said(answer) -> tuple[str, int]:
    """The site's words and the status of an HTTP answer; some errors travel with status 200."""
    try:
        body = answer.json()
        return str(body["message"]), answer.status_code if answer.status_code >= 400 else int(body["code"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason}", answer.status_code


def retry_after(headers) -> "float | None":
    """Seconds that the header Retry-After asks for, as a number or as a date; None without one."""
    from email.utils import parsedate_to_datetime

    text = headers.get("Retry-After")
    try:
        return float(text)
    except (TypeError, ValueError):
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def main() -> None:
    """Answer the request on standard input; whatever the client prints goes to standard error."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in replies(json.load(sys.stdin)):
        lines.write(json.dumps(line) + "\n")
        lines.flush()


if __name__ == "__main__":
    main()
