"""A program and its configuration, as a person meets them: files, variables, flags, one line."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.environment import clean_environment
from tests.program import Program, run_to_end

APP = """
from blackbull import BlackBull

app = BlackBull()


@app.route(path="/")
async def index():
    return {"for": app.settings.environment, "body": app.settings.max_body_size}


@app.route(path="/", methods=["POST"])
async def take(body: bytes):
    return len(body)
"""
COMMAND = ["-m", "blackbull", "main:app"]
SCRIPT = ["main.py"]


@pytest.fixture(autouse=True)
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "main.py"
    path.write_text(APP + '\nif __name__ == "__main__":\n    app.run(port=0)\n')
    return path


def ask(program: Program) -> dict[str, object]:
    port = program.serving()["http"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
        return found


@pytest.mark.parametrize("how", [COMMAND, SCRIPT], ids=["command", "script"])
def test_program_takes_each_setting_from_the_first_that_says_it(how: list[str]) -> None:
    Path("blackbull.toml").write_text("port = 1\nenvironment = 'test'\nmax_body_size = 10\n")
    Path(".env").write_text("BLACKBULL_PORT=2\nBB_MAX_BODY_SIZE=20\n")
    environ = {"BLACKBULL_PORT": "3"}
    with Program([*how, "--port", "0"], cwd=Path.cwd(), environ=environ) as program:
        assert ask(program) == {"for": "test", "body": 20}


@pytest.mark.parametrize("how", [COMMAND, SCRIPT], ids=["command", "script"])
def test_program_named_a_file_uses_it_for_server_and_application(how: list[str]) -> None:
    Path("blackbull.toml").write_text("prot = 'not even read'")
    Path("a.toml").write_text("max_body_size = 4\nenvironment = 'production'\n")
    arguments = [*how, "--config", "a.toml", "--port", "0"]
    with Program(arguments, cwd=Path.cwd()) as program:
        assert ask(program) == {"for": "production", "body": 4}
        request = urllib.request.Request(
            f"http://127.0.0.1:{program.ports['http']}/", data=b"12345", method="POST"
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()
        assert refused.value.code == 413


def test_program_with_an_extension_gives_it_its_table() -> None:
    Path("main.py").write_text(
        "from blackbull import BlackBull\nfrom blackbull.mqtt import MQTTExtension\n"
        "app = BlackBull()\nmqtt = app.add_extension(MQTTExtension(port=0))\n"
        "@app.route(path='/')\nasync def index():\n"
        "    return {'sessions': mqtt.actor.broker.settings.max_sessions}\n"
        "if __name__ == '__main__':\n    app.run(port=0, config='a.toml')\n"
    )
    Path("a.toml").write_text("[mqtt]\nmax_sessions = 7\n")
    with Program(SCRIPT, cwd=Path.cwd()) as program:
        assert ask(program) == {"sessions": 7}
    Path("a.toml").write_text("[mqtt]\nmax_sesions = 7\n")
    assert "'max_sesions' in 'a.toml' is no setting: did you mean max_sessions?" in one_line(SCRIPT)


def one_line(arguments: list[str], **environ: str) -> str:
    """Run what cannot work: one line on stderr, nothing else, status 1."""
    status, out, err = run_to_end(arguments, cwd=Path.cwd(), environ=environ)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1, err
    assert err.startswith("blackbull: ")
    return err


@pytest.mark.parametrize(
    "how", [COMMAND, SCRIPT, ["-m", "blackbull", "config"]], ids=["command", "script", "config"]
)
@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("blackbull.toml", "prot = 1", "'prot' in 'blackbull.toml' is no setting: did you mean po"),
        (
            "blackbull.toml",
            "port = '1'",
            "port in 'blackbull.toml' must be a whole number, not '1'",
        ),
        ("pyproject.toml", "[tool.blackbull]\nport = -1", "port in 'pyproject.toml' must be 0 to"),
        (".env", "BLACKBULL_PORT=x", "BLACKBULL_PORT in .env must be a whole number, not 'x'"),
    ],
)
def test_mistake_is_one_line_and_status_1(how: list[str], file: str, text: str, said: str) -> None:
    Path(file).write_text(text)
    assert said in one_line(how)


def test_dotenv_without_its_package_is_one_line() -> None:
    Path("main.py").write_text(
        f"import sys\nsys.modules['dotenv'] = None\n{APP}\napp.run(port=0)\n"
    )
    Path(".env").write_text("BB_MAX_BODY_SIZE=20\n")
    assert "pip install 'blackbull[standard]'" in one_line(SCRIPT)
    Path(".env").write_text("DATABASE=x\n")
    with Program(SCRIPT, cwd=Path.cwd()) as program:
        assert ask(program)["for"] == "development"


def test_config_tells_what_the_program_would_use() -> None:
    Path("blackbull.toml").write_text("port = 1\nmax_body_size = 10\n")
    arguments = ["-m", "blackbull", "config", "main:app", "--port", "2", "--json"]
    status, out, err = run_to_end(arguments, cwd=Path.cwd(), environ={"BB_REQUEST_TIMEOUT": "3"})
    assert (status, err) == (0, "")
    said = {row["setting"]: (row["value"], row["from"]) for row in json.loads(out)}
    assert {name: each for name, each in said.items() if each[1] != "default"} == {
        "port": (2, "--port"),
        "max_body_size": (10, "max_body_size in blackbull.toml"),
        "request_timeout": (3.0, "BB_REQUEST_TIMEOUT"),
    }


def test_config_whose_reader_has_left_says_nothing_more() -> None:
    text = f"{sys.executable} -m blackbull config | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", text], env=clean_environment(), capture_output=True, text=True, timeout=20,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_broker_by_itself_is_not_told_what_an_application_here_is(tmp_path: Path) -> None:
    Path("blackbull.toml").write_text("certfile = 'absent.pem'\n")
    Path(".env").write_text("BB_MQTT_PORT=0\n")
    with Program(["-m", "blackbull", "mqtt"], cwd=tmp_path) as program:
        assert set(program.serving()) == {"mqtt"}
