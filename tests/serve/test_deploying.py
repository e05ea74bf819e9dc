"""What examples/serve has for Docker, systemd, Kubernetes and nginx agrees with the server, and is sound in itself."""

import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from danlu.cli.serve import command
from danlu.refusal import Refusal
from danlu.serve.app import app_of
from danlu.serve.keys import add_key, read_keys
from danlu.serve.limits import Limits
from danlu.serve.run import GRACE
from danlu.serve.service import Service
from danlu.serve.shelf import Shelf

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "serve"
INSTRUCTIONS = {
    *(
        "FROM",
        "ARG",
        "ENV",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    )
}
SECRET = re.compile(r"(?i)key|secret|passw|credential|(?<!no)token")


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def refuse_unknown(words: list[str]) -> None:
    """No option may stand in an example that the command does not have."""
    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(command).parameters}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert asked
    assert asked <= known


@pytest.fixture(scope="module")
def routes() -> set[str]:
    return {getattr(route, "path", "") for route in app_of(Service(Shelf([]), Limits())).routes}


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """Its instructions."""
    lines = [line for line in text_of("Dockerfile").splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(name, told) for name, _, told in (line.partition(" ") for line in whole)]


def test_the_dockerfile_is_of_instructions_that_there_are_on_images_with_a_version(
    dockerfile: list[tuple[str, str]],
) -> None:
    assert {name for name, _ in dockerfile} <= INSTRUCTIONS
    assert dockerfile[0][0] == "FROM"
    for image in (told.split()[0] for name, told in dockerfile if name == "FROM"):
        assert re.fullmatch(r"python:3\.\d+-slim", image)
    assert not [told for name, told in dockerfile if name in ("ARG", "ENV") and SECRET.search(told.partition("=")[0])]


def test_the_server_in_the_container_is_nobody_of_note_and_hears_signals_itself(
    dockerfile: list[tuple[str, str]],
) -> None:
    last = dockerfile[max(place for place, (name, _) in enumerate(dockerfile) if name == "FROM") :]
    told = dict(last)
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", told["USER"])
    assert [name for name, _ in last].index("USER") > [name for name, _ in last].index("COPY")
    words = [*json.loads(told["ENTRYPOINT"]), *json.loads(told["CMD"])]  # exec form: no shell between
    assert words[:3] == ["danlu", "serve", "/bundle"]
    refuse_unknown(words)
    assert "/health/ready" in told["HEALTHCHECK"]
    assert json.loads(told["HEALTHCHECK"][told["HEALTHCHECK"].index("[") :])
    assert told["STOPSIGNAL"] == "SIGTERM"


def test_what_is_copied_is_there_and_let_in_and_no_more(dockerfile: list[tuple[str, str]]) -> None:
    lines = [line for line in text_of("Dockerfile.dockerignore").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copies = [told.split()[:-1] for name, told in dockerfile if name == "COPY" and "--from" not in told]
    copied = {source for sources in copies for source in sources}
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert len(re.findall(r"^torch==", pinned, re.MULTILINE)) == 1  # what the build looks for


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """The settings of the service, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in text_of("danlu.service").splitlines():
        if line and not line.startswith(("#", "[")):
            name, equals, value = line.partition("=")
            assert equals, line
            found.setdefault(name, []).append(value)
    return found


def test_systemd_reloads_stops_and_locks_the_server_in(unit: dict[str, list[str]]) -> None:
    words = shlex.split(unit["ExecStart"][0])
    assert words[1] == "serve"
    refuse_unknown(words)
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert int(unit["TimeoutStopSec"][0]) > GRACE
    assert unit["User"] != ["root"]
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["NoNewPrivileges"] == ["yes"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert "MemoryDenyWriteExecute" not in unit  # oneDNN writes code
    assert "-m 600 keys.yaml" in text_of("danlu.service")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_itself_finds_the_service_sound(tmp_path: Path) -> None:
    service = tmp_path / "danlu.service"  # with a program that is there, or it is found to be missing
    service.write_text(text_of("danlu.service").replace("/opt/danlu/bin/danlu", sys.executable), encoding="utf-8")
    verify = ["systemd-analyze", "verify", "--man=no", str(service)]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    """What there is for Kubernetes, by its kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(text_of("kubernetes.yaml"))}


@pytest.fixture(scope="module")
def pod(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = manifests["Deployment"]["spec"]["template"]["spec"]
    return found


def test_kubernetes_asks_the_routes_that_there_are(pod: dict[str, Any], routes: set[str]) -> None:
    (server,) = pod["containers"]
    probes = {name: server[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/health/ready",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",  # what has drifted is not asked any more, but to start it again mends nothing
    }
    assert {probe["path"] for probe in probes.values()} <= routes
    assert {probe["port"] for probe in probes.values()} <= {port["name"] for port in server["ports"]}
    refuse_unknown(server["args"])
    assert server["args"][server["args"].index("--port") + 1] == str(server["ports"][0]["containerPort"])


def test_a_pod_ends_after_all_is_answered_and_may_do_little(pod: dict[str, Any]) -> None:
    (server,) = pod["containers"]
    leaving = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > leaving + GRACE
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for each in (*pod["containers"], *pod["initContainers"]):
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= each["resources"]["limits"].keys()
        assert {mount["name"] for mount in each["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
    cores = float(server["resources"]["limits"]["cpu"])
    assert cores == int(cores)


def test_the_parts_for_kubernetes_mean_the_same_pods(manifests: dict[str, dict[str, Any]]) -> None:
    assert manifests.keys() == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    deployment, labels = manifests["Deployment"], manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert manifests["Service"]["spec"]["selector"] == labels
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    scaled = manifests["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]  # or each `apply` would undo what was scaled
    assert scaled["minReplicas"] > manifests["PodDisruptionBudget"]["spec"]["minAvailable"]


@pytest.mark.skipif(os.name != "posix" or not shutil.which("install"), reason="modes are those of POSIX")
def test_keys_from_a_secret_are_those_that_the_server_takes(pod: dict[str, Any], tmp_path: Path) -> None:
    """With fsGroup a group may read every file of a secret, which the server refuses; the copy is the owner's alone."""
    for name in ("secret", "keys"):
        (tmp_path / name).mkdir()
    secret, copy = tmp_path / "secret" / "keys.yaml", tmp_path / "keys" / "keys.yaml"
    add_key(secret, "ops")
    (volume,) = [each["secret"] for each in pod["volumes"] if each["name"] == "secret"]
    secret.chmod(volume["defaultMode"])
    assert [key.name for key in read_keys(secret)] == ["ops"]
    secret.chmod(volume["defaultMode"] | 0o040)
    with pytest.raises(Refusal, match="others than you may read"):
        read_keys(secret)
    (first,) = pod["initContainers"]
    subprocess.run([re.sub("^/", f"{tmp_path}/", word) for word in first["command"]], check=True)
    assert [key.name for key in read_keys(copy)] == ["ops"]
    (server,) = pod["containers"]
    assert server["args"][server["args"].index("--keys") + 1] == "/keys/keys.yaml"


def directives(text: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each directive of nginx as its words, with the blocks that it stands in."""
    inside: list[str] = []
    words: list[str] = []
    for token in re.findall(r"""#[^\n]*|"[^"]*"|'[^']*'|[;{}]|[^\s;{}]+""", text):
        if token.startswith("#"):
            continue
        if token in ";{}":
            if token == ";":
                yield tuple(inside), words
            elif token == "{":
                inside.append(" ".join(words))
            else:
                assert inside, "a block is closed that was not opened"
                inside.pop()
            words = []
        else:
            words.append(token.strip("\"'"))
    assert not inside
    assert not words


def test_nginx_lets_streams_through_and_keeps_what_is_for_those_who_run_it(routes: set[str]) -> None:
    found = list(directives(text_of("nginx.conf")))

    def told(name: str, *blocks: str) -> list[str]:
        (words,) = [words for inside, words in found if words[0] == name and inside == blocks]
        return words[1:]

    limits, every = Limits(), ("server", "location /")
    assert told("client_max_body_size", "server") == [f"{limits.body // 2**20}m"]
    assert told("proxy_buffering", *every) == ["off"]
    assert told("proxy_ignore_client_abort", *every) == ["off"]
    assert int(told("proxy_read_timeout", *every)[0].removesuffix("s")) > limits.seconds
    passed = {words[1]: words[2] for _, words in found if words[0] == "proxy_set_header"}
    assert passed["X-Request-ID"] == "$danlu_request"
    assert passed["Connection"] == ""
    kept = {inside[1].split()[1] for inside, words in found if words == ["return", "404"]}
    assert kept == {"/admin/", "/metrics", "/health/"}
    for path in kept:
        assert [route for route in routes if route.startswith(path)]
    proxied = [inside for inside, words in found if words[0] == "proxy_pass"]
    assert proxied == [every]
    assert all("$request_uri" not in " ".join(words) for _, words in found if words[0] == "log_format")
    assert ["listen", "443", "ssl"] in [words for _, words in found]


@pytest.mark.skipif(not (shutil.which("nginx") and shutil.which("openssl")), reason="there is no nginx here")
def test_nginx_itself_finds_its_file_sound(tmp_path: Path) -> None:
    own = text_of("nginx.conf").replace("/etc/nginx/", f"{tmp_path}/").replace("/var/log/nginx/", f"{tmp_path}/")
    (tmp_path / "danlu.conf").write_text(own, encoding="utf-8")
    files = [f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    inside = "\n".join([*files, "access_log off;", f"include {tmp_path}/danlu.conf;"])
    whole = f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{inside}\n}}\n"
    (tmp_path / "nginx.conf").write_text(whole, encoding="utf-8")
    names = ["-keyout", str(tmp_path / "danlu.key"), "-out", str(tmp_path / "danlu.pem"), "-subj", "/CN=danlu"]
    certificate = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *names]
    subprocess.run(certificate, capture_output=True, check=True, timeout=60)
    test = ["nginx", "-t", "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(test, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


PAGES = ("README.md", "README.zh.md")


def test_the_pages_name_every_file_and_have_the_same_code() -> None:
    code: list[list[str]] = []
    for page in PAGES:
        text = text_of(page)
        assert {path.name for path in FOLDER.glob("[!_]*.*") if path.name not in PAGES} <= set(
            re.findall(r"[\w.]+\.\w+|Dockerfile", text)
        )
        for link in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", text):
            assert (FOLDER / link).exists(), link
        code.append(re.findall(r"```(?:bash|text)\n(.*?)```", text, re.DOTALL))
    assert code[0] == code[1]


def test_the_commands_of_the_pages_have_options_that_there_are() -> None:
    for block in re.findall(r"```bash\n(.*?)```", text_of("README.md"), re.DOTALL):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if re.match(r"danlu serve .* --", line):
                refuse_unknown(shlex.split(line, comments=True))
