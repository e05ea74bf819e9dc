"""Which texts hold a secret, so that no model learns them; each is in two halves, as this file is no secret."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.apps.code.repository import read_repository
from danlu.apps.code.secret import holds_secret

MIXED = "wJalrXUtnFEMI/K7" + "MDENGbPxRfiCYEXAMPLEKEY"
LETTERS = "correcthorse" + "batterystaple"

SECRET = [
    f'aws_secret_access_key = "{MIXED}"\n',
    f"[default]\naws_secret_access_key = {MIXED}\n",
    "stripe.api = 'sk_live" + "_4eC39HqLyjWDarjtT1zdp7dc'\n",
    "rk_live" + "_4eC39HqLyjWDarjtT1zdp7dc\n",
    "ghp" + "_" + "a1" * 18 + "\n",
    "xoxb" + "-1234567890-abcdefghij\n",
    "AKIA" + "ABCDEFGH12345678\n",
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n",
    "x = 'eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.abc'\n",
    "DB_PASSWORD=" + "hunter2\n",
    "export API_KEY=" + "hunter2hunter2 # mine\n",
    "services:\n  db:\n    environment:\n      - DB_PASSWORD=" + "opensesame\n",
    "spring:\n  password: " + "hunter2-hunter2\r\n",
    '{"password": "' + 'hunter2hunter2"}\n',
    "os.environ['API_TOKEN'] = '" + "a1b2c3d4e5'\n",
    'key = os.getenv("API_KEY", "' + 'a1b2c3d4e5")\n',
    "def connect(user, password: str = '" + "hunter2hunter2'): ...\n",
    "if password == '" + "hunter2hunter2':\n",
    f'PASSWORD = "{LETTERS}"\n',
    "config := Config{ClientSecret: `" + "a1b2c3d4e5`}\n",
]
PLAIN = [
    "def log_in(user: str, password: str) -> bool:\n    return check(user, password)\n",
    "password = read_password(prompt)\n",
    "client = Client(\n    token=access_token,\n    password=password\n)\n",
    "password = os.environ['DB_PASSWORD']\n",
    "TOKEN=$(cat /run/secrets/token)\nPASSWORD=${DB_PASSWORD}\nKEY=$1\n",
    "token: torch.float32\ntoken2 = previous.token3\n",
    "password = ''\npassword = 'x'\n",
    'api_key = "YOUR_API_KEY_COMES_HERE"\n',
    'self.password_field = "user_password_1"\n',
    'token_url = "https://example.org/oauth2/token"\n',
    "tokenizer = 'xlm-roberta-base-2024'\npad_token = '<|endoftext|>'\nmax_tokens = 4096\n",
    'raise ValueError("password: must have at least 12 signs")\n',
    "pytest.raises(Error, match='token 123456789')\n",
    'headers = {"Authorization": f"Bearer {token}"}\n',
    "secret = secrets.token_hex(32)\n",
    "if token == next_token:\n    pass\n",
    "# The token is kept for 24h.\n",
]


@pytest.mark.parametrize("text", SECRET)
def test_keys_and_long_literals_of_such_names_are_secrets(text: str) -> None:
    assert holds_secret(text)
    assert holds_secret(f"import os\n\n{text}\nx = 1\n")


@pytest.mark.parametrize("text", PLAIN)
def test_code_that_only_names_a_secret_holds_none(text: str) -> None:
    assert not holds_secret(text)


NAMES = st.tuples(
    st.sampled_from(["", "db_", "MY_", "aws-"]),
    st.sampled_from(["secret", "password", "TOKEN", "api_key", "apiKey", "access_key", "Passwd", "client_secret"]),
    st.sampled_from(["", "_prod", "2"]),
).map("".join)
LITERALS = st.text("abcXYZ0189+/_-=", min_size=16, max_size=60).map(lambda text: f"a{text}7")


@given(NAMES, LITERALS, st.sampled_from(['{} = "{}"', "{}: '{}',", '"{}": "{}"', "{}={}", "f({}='{}')"]))
def test_whatever_such_a_name_is_given_as_a_long_literal_is_a_secret(name: str, literal: str, form: str) -> None:
    assert holds_secret(f"x = 1\n{form.format(name, literal)}\n")


def test_the_code_of_this_package_is_learnt() -> None:
    """What the sample learns, and most of the rest."""
    files = sorted((Path(__file__).parents[3] / "src" / "danlu").rglob("*.py"))
    held = [path.name for path in files if holds_secret(path.read_text(encoding="utf-8"))]
    assert len(held) <= len(files) // 100, held


@pytest.mark.parametrize(
    "name", ["prod.env", "prod.env.local", ".env.test", ".git-credentials", "login.ppk", "PROD.ENV", ".pgpass"]
)
def test_files_that_are_named_as_secrets_are_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "environment.py").write_text("x = 1\n")
    (tmp_path / name).write_text("y = 1\n")
    found = read_repository(tmp_path)
    assert [file.path for file in found.files] == ["environment.py"]
    assert found.left_out == {"secret": [name]}
