"""What the chatbot's users and machines are answered, by a real process with a real database and provider."""

import json
from typing import Any
from uuid import uuid4

import pytest

from .conftest import App, Artifacts, MakeDatabase, StartApp

NOWHERE = f"/api/conversations/{uuid4()}"


def stream_events(app: App, path: str, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Send a message and read the events of its answer."""
    text = app.client.post(f"{path}/stream", json=body).text
    blocks = [block.split("\n") for block in text.split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/", 200, id="page"),
        pytest.param("GET", "/healthz", 200, id="healthz"),
        pytest.param("GET", "/readyz", 200, id="readyz"),
        pytest.param("GET", "/metrics", 200, id="metrics"),
        pytest.param("GET", "/openapi.json", 200, id="description"),
        pytest.param("GET", "/api/models", 200, id="models"),
        pytest.param("GET", "/assets/lost.css", 404, id="no-such-asset"),
        pytest.param("GET", "/nowhere", 404, id="no-such-path"),
        pytest.param("GET", NOWHERE, 404, id="no-such-conversation"),
        pytest.param("PUT", "/api/models", 405, id="wrong-method"),
        pytest.param("GET", "/api/conversations/x", 422, id="wrong-input"),
    ],
)
def test_every_answer_says_who_answered(app: App, artifact: Artifacts, method: str, path: str, status: int) -> None:
    """Errors too carry the identity, exactly once."""
    built = json.loads((artifact("1.5.0") / "build.json").read_text(encoding="utf-8"))
    answer = app.client.request(method, path)
    assert answer.status_code == status
    expected = f"color=green;version=1.5.0;build={built['build']};config=c0ffee"
    assert answer.headers.get_list("x-release") == [expected]


def test_version_says_what_the_header_says(app: App) -> None:
    """/version is the header as JSON, with the migration."""
    answer = app.client.get("/version")
    told = answer.json()
    assert told["migration"] == "0003"
    header = dict(part.split("=") for part in answer.headers["x-release"].split(";"))
    assert header == {key: told[key] for key in ("color", "version", "build", "config")}


def test_a_failure_nobody_foresaw_says_who_answered(start: StartApp, empty_database: MakeDatabase) -> None:
    """Without its tables the application answers 500, as JSON, with the identity."""
    app = start("1.5.0", wait="/healthz", DATABASE_URL=empty_database())
    answer = app.client.get("/api/conversations")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "color=green" in answer.headers["x-release"]


def test_a_message_is_answered_and_both_are_kept(app: App) -> None:
    """The answer quotes the question, and the conversation then has both."""
    path = app.begin()
    sent = app.client.post(path, json={"content": "Hello"})
    assert sent.status_code == 201
    assert "Hello" in sent.json()["answer"]["content"]
    assert sent.json()["answer"]["answer_ms"] >= 0
    assert app.client.get(path).json()["items"] == [sent.json()["message"], sent.json()["answer"]]


def test_an_answer_is_streamed_and_kept(app: App) -> None:
    """Tokens, put together, are the answer that the last event carries and the conversation keeps."""
    path = app.begin()
    *tokens, (last, done) = stream_events(app, path, {"content": "Hello"})
    assert {name for name, _ in tokens} == {"token"}
    assert last == "done"
    assert 10 <= len(tokens) <= 20
    assert "".join(data["text"] for _, data in tokens) == done["answer"]["content"]
    assert app.client.get(path).json()["items"] == [done["message"], done["answer"]]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param("[provider:error]", 502, "provider-failed", id="error"),
        pytest.param("[provider:cut]", 502, "provider-failed", id="nonsense"),
        pytest.param("[provider:slow]", 504, "provider-timeout", id="slow"),
    ],
)
def test_what_a_user_said_survives_a_failing_provider(app: App, content: str, status: int, code: str) -> None:
    """The failure is told with the kept message, whether the answer was to be whole or streamed."""
    path = app.begin()
    failed = app.client.post(path, json={"content": content})
    assert (failed.status_code, failed.json()["code"]) == (status, code)
    assert app.client.get(path).json()["items"] == [failed.json()["message"]]
    name, told = stream_events(app, path, {"content": content})[-1]
    assert (name, told["code"]) == ("error", code)
    assert app.client.get(path).json()["items"][-1] == told["message"]


def test_a_kept_message_can_be_answered_later(app: App) -> None:
    """Trying again adds an answer, not a second message; once answered it is refused."""
    path = app.begin()
    kept = app.client.post(path, json={"content": "[provider:error]"}).json()["message"]
    assert app.client.post(path, json={"retry_of": kept["id"]}).status_code == 502
    assert app.client.get(path).json()["items"] == [kept]
    answered = app.client.post(path, json={"content": "Hello"}).json()["message"]
    refused = app.client.post(path, json={"retry_of": answered["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "not-waiting")


def test_tenants_do_not_meet(app: App) -> None:
    """Another tenant neither lists, reads, extends nor deletes a conversation."""
    path = app.begin(**{"x-tenant": "one"})
    other = {"x-tenant": "two"}
    assert app.client.get("/api/conversations", headers=other).json() == {"items": []}
    assert app.client.get(path, headers=other).status_code == 404
    assert app.client.post(path, json={"content": "Hello"}, headers=other).status_code == 404
    assert app.client.delete(path.removesuffix("/messages"), headers=other).status_code == 404
    assert app.client.get(path, headers={"x-tenant": "one"}).status_code == 200


def test_lists_come_in_pages_the_last_used_first(app: App) -> None:
    """`next` leads through all of them; a message brings its conversation to the front."""
    tenant = {"x-tenant": "pages"}
    paths = [app.begin(**tenant) for _ in range(3)]
    app.client.post(paths[0], json={"content": "Hello"}, headers=tenant)
    first = app.client.get("/api/conversations?limit=2", headers=tenant).json()
    rest = app.client.get(f"/api/conversations?limit=2&offset={first['next']}", headers=tenant).json()
    listed = [f"/api/conversations/{each['id']}/messages" for each in first["items"] + rest["items"]]
    assert listed == [paths[0], paths[2], paths[1]]
    assert "next" not in rest


def test_a_deleted_conversation_is_gone(app: App) -> None:
    """204 the first time, 404 from then on."""
    path = app.begin()
    conversation = path.removesuffix("/messages")
    app.client.post(path, json={"content": "Hello"})
    assert app.client.delete(conversation).status_code == 204
    assert {app.client.request(m, conversation).status_code for m in ("GET", "DELETE")} == {404}
    assert app.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b"{", "JSON", id="no-json"),
        pytest.param(b"{}", "content", id="empty"),
        pytest.param(b'{"content": "  "}', "content", id="blank"),
        pytest.param(b'{"content": "a\\u0000"}', "content", id="nul"),
        pytest.param(b'{"content": "\\ud800"}', "unicode", id="half-a-surrogate"),
        pytest.param(b'{"content": "a", "tone": 1}', "tone: Extra inputs", id="unknown-field"),
        pytest.param(b'{"content": "a", "\\ud800": 1}', "unicode", id="half-a-surrogate-as-field"),
        pytest.param(b'{"content": "' + b"a" * 8001 + b'"}', "8000", id="too-long"),
        pytest.param(b'{"retry_of": 99999999999999999999}', "retry_of", id="too-big"),
    ],
)
def test_wrong_input_is_told(app: App, body: bytes, told: str) -> None:
    """422, with a sentence that names what is wrong, and nothing is kept."""
    path = app.begin()
    answer = app.client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert told in answer.json()["error"]
    assert app.client.get(path).json()["items"] == []


def test_a_tenant_is_a_word(app: App) -> None:
    """A tenant that could not be one is refused."""
    assert app.client.get("/api/conversations", headers={"x-tenant": "a b"}).status_code == 422


def test_the_page_is_asked_for_again_and_its_assets_are_kept(app: App) -> None:
    """no-cache and a content security policy for the page, for ever for what it names."""
    page = app.client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    style = app.client.get(page.text.split('rel="stylesheet" href="')[1].split('"')[0])
    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert style.headers["content-type"].startswith("text/css")


def test_metrics_count_by_route_and_name_the_build(app: App) -> None:
    """Routes are templates, so ids do not become labels."""
    app.client.get(NOWHERE)
    text = app.client.get("/metrics").text
    assert 'chatbot_requests_total{method="GET",route="/api/conversations/{conversation}",status="404"}' in text
    assert 'version="1.5.0"' in text
    assert NOWHERE not in text
