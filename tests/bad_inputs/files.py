# pyright: strict
"""Bad files, folders, command lines and environments, and what is said of each."""

from __future__ import annotations

Command = list[str]

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

CONFIGS: list[tuple[bytes, str]] = [
    (b"", "bad.yaml: holds no keys"),
    (b"# nothing\n", "bad.yaml: holds no keys"),
    (b"- a\n- b\n", "bad.yaml: holds no keys"),
    (b"word", "bad.yaml: holds no keys"),
    (b"a: [1\n", "bad.yaml line "),
    (b"a: 1\n\tb: 2\n", "bad.yaml line 2"),
    (b"a: 1\na: 2\n", "bad.yaml line 2 column 1: the key 'a' stands twice"),
    (b"a: 2001-13-01\n", "bad.yaml line 1 column 4: '2001-13-01' is no timestamp"),
    (b"a: !!float x\n", "bad.yaml line 1 column 4: 'x' is no float"),
    (b"a: " + b"9" * 5_000, "bad.yaml line 1 column 4: '99999"),
    (b"[" * 10_000, "bad.yaml: is nested too deeply"),
    (b"a: {<<: x}\n", "bad.yaml line 1"),
    (b"a: *nothing\n", "bad.yaml line 1 column 4: found undefined alias"),
    (LAUGHS.encode(), "bad.yaml: holds more than 1,000,000 values"),
    (b"a: &a [*a]\n", "bad.yaml: is nested more than 100 levels deep"),
    (b"\xff\xfea\x00", "bad.yaml: not UTF-8 text (UTF-16)"),
    (b"a: caf\xe9\n", "bad.yaml: not UTF-8 text"),
    (b"a: \x00\n", "bad.yaml: "),
    (b"%YAML 9.9\n---\na: 1\n", "bad.yaml line 1"),
    (b"a: 1\n---\nb: 2\n", "bad.yaml line 2"),
    (b"a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
    (b"\x89PNG\r\n\x1a\n\x00", "bad.yaml: not UTF-8 text"),
    (LFS, "bad.yaml"),
]

JPEG = "{size: {kind: jpeg}}"
VQA = "{vqa: {kind: vqa, model: MODELS/vqa}}"

PROMPTS: list[tuple[str, bytes, str, str]] = [
    ("p.txt", b"", JPEG, "prompts.file: p.txt holds no prompt"),
    ("p.txt", b"# only\n\n", JPEG, "prompts.file: p.txt holds no prompt"),
    ("p.txt", b"caf\xe9\n", JPEG, "prompts.file: p.txt: not UTF-8 text"),
    ("p.txt", "a cat".encode("utf-16"), JPEG, "prompts.file: p.txt: not UTF-8 text (UTF-16)"),
    ("p.txt", b"a\t{b}\n", JPEG, "prompts.file: p.txt line 1: what follows the tab: not JSON"),
    ("p.txt", b"a\nb\t[1]\n", JPEG, "prompts.file: p.txt line 2: what follows the tab is not a JSON object"),
    ("p.txt", b'\t{"a": 1}\n', JPEG, "prompts.file: p.txt line 1 has metadata but no prompt"),
    ("p.txt", b'a\t{"n": ' + b"9" * 5_001 + b"}", JPEG, "p.txt line 1: what follows the tab: not JSON"),
    ("p.txt", b"a\t" + b"[" * 100_000, JPEG, "p.txt line 1: what follows the tab: not JSON"),
    ("p.txt", b'a\t{"n": ' + b"[" * 200 + b"]" * 200 + b"}", JPEG, "is nested more than 100 levels deep"),
    ("p.txt", b'a\t{"n": NaN}', JPEG, "p.txt line 1: holds nan"),
    ("p.txt", b'a\t{"n": 1e999}', JPEG, "p.txt line 1: holds inf"),
    ("p.txt", b'a\t{"n": "\\ud800"}', JPEG, "p.txt line 1: holds half of a surrogate pair"),
    ("p.txt", b"a" * 200_000, JPEG, "p.txt line 1: a prompt of 200,000 characters"),
    ("p.jsonl", b'{"prompt": 1}\n', JPEG, "p.jsonl line 1: has no text `prompt`"),
    ("p.jsonl", b'{"prompt": "a"}\nb\n', JPEG, "p.jsonl line 2: the line: not JSON"),
    ("p.csv", b"a,b\n1,2\n", JPEG, "p.csv line 1: must name the columns"),
    ("p.csv", b'prompt\n"a\n', JPEG, "is a quotation mark left open?"),
    ("p.csv", b"prompt,n\na,1,2\n", JPEG, "p.csv line 2: does not have the 2 cells"),
    ("p.txt", b"a red bird\n", VQA, "it has no `questions`"),
    ("p.txt", b'a\t{"questions": "is it?"}\n', VQA, "p.txt line 1: questions: "),
    ("p.txt", b'a\t{"questions": [{"question": "x", "answer": "cat"}]}', VQA, "p.txt line 1: questions.0.answer: "),
    ("p.txt", b'a\t{"questions": [{"question": ""}]}', VQA, "p.txt line 1: questions.0.question: "),
    ("p.txt", b'a\t{"questions": [{"question": "x?", "choices": ["a"]}]}', VQA, "line 1: questions.0.choices: "),
    ("p.txt", b'a\t{"questions": [{"question": "x?", "answr": "no"}]}', VQA, "line 1: questions.0.answr: "),
]

INDEX, SCHEDULE = "model_index.json", "scheduler/scheduler_config.json"
UNET = "unet/diffusion_pytorch_model.safetensors"

FOLDERS: list[tuple[str, bytes | None, str]] = [
    (INDEX, None, "holds no model_index.json"),
    (INDEX, b"{", "model_index.json"),
    (INDEX, b"[]", "holds no JSON object"),
    (INDEX, b"{}", "does not say in its model_index.json what it is"),
    (INDEX, b'{"_class_name": "KandinskyPipeline"}', "is a KandinskyPipeline; Salon trains a"),
    (UNET, LFS, "is a Git LFS pointer"),
    (UNET, b"", "is torn or no safetensors file"),
    (UNET, b"\x02\0\0\0\0\0\0\0{}and more", "the download is not whole"),
    (UNET, b"\xff" * 100, "is torn or no safetensors file"),
    (SCHEDULE, None, "scheduler_config.json: there is no such file"),
    (SCHEDULE, b"[1]", "scheduler_config.json: holds no JSON object"),
    (SCHEDULE, b"{", "scheduler_config.json: not JSON"),
    (SCHEDULE, LFS, "scheduler_config.json: is a Git LFS pointer"),
]

JUDGE = ["judge", "cat.png", "--prompt", "a cat", "--config", "jury.yaml"]

COMMANDS: list[tuple[Command, str]] = [
    (["trian"], "No such command 'trian'"),
    (["train"], "needs a CONFIG"),
    (["train", "absent.yaml"], "absent.yaml: there is no such file"),
    (["train", "pipe"], "pipe: is a pipe, not a regular file"),
    (["train", "/dev/zero"], "/dev/zero: is a device"),
    (["train", "."], ".: is a folder"),
    (["train", "a" * 300], "cannot be read (File name too long)"),
    (["train", "cat.png"], "cat.png: not UTF-8 text"),
    (["train", "tiny.yaml", "--resum", "x"], "--resum"),
    (["train", "--resume", "nowhere"], "--resume nowhere: there is no config.yaml"),
    (["train", "tiny.yaml", "--runs", "cat.png"], "cat.png"),
    (["train", "tiny.yaml", "--runs", "/proc/nowhere"], "/proc/nowhere"),
    (["serve", "absent.yaml"], "absent.yaml: there is no such file"),
    (["serve", "pipe"], "pipe: is a pipe"),
    (
        ["serve", "jury.yaml", "--set", "updates=5"],
        "--set updates: salon serve and salon judge read",
    ),
    (["serve", "tiny.yaml", "--set", "learner.lr=5"], "--set learner.lr: salon serve and salon judge read"),
    (["serve", "jury.yaml", "--port", "99999"], "port: "),
    (["serve", "jury.yaml", "--port", "many"], "--port"),
    (["serve", "jury.yaml", "--host", "nowhere.invalid"], "rewards.http"),
    (["serve", "jury.yaml", "--set", "rewards.judges.size.serve.num_cpus=4096"], "the parts ask for"),
    (["serve", "jury.yaml", "--set", "rewards.judges.size.device=cuda"], "has no GPU"),
    (["judge"], "IMAGE"),
    (["judge", "cat.png"], "--prompt"),
    ([*JUDGE, "--set", "rewards.judges.size.kind=jpg"], "did you mean jpeg?"),
    ([*JUDGE, "--set", "updates=5"], "--set updates: salon serve and salon judge read"),
    (["judge", "absent.png", *JUDGE[2:]], "absent.png: there is no such file"),
    (["judge", "/dev/zero", *JUDGE[2:]], "/dev/zero: is a device"),
    (["judge", "pipe", *JUDGE[2:]], "pipe: is a pipe"),
    (["judge", ".", *JUDGE[2:]], ".: is a folder"),
    (["judge", "tiny.yaml", *JUDGE[2:]], "tiny.yaml: is no PNG or JPEG picture"),
    ([*JUDGE, "--ratings", "absent.csv"], "absent.csv: there is no such file"),
    ([*JUDGE, "--ratings", "/dev/zero"], "/dev/zero: is a device"),
    ([*JUDGE, "--ratings", "tiny.yaml"], "tiny.yaml: has no column file and no column rating"),
    ([*JUDGE, "--draw", "cat.png"], "cat.png"),
    ([*JUDGE, "--config", "absent.yaml"], "absent.yaml: there is no such file"),
    (["report", "nowhere"], "nowhere: there is no config.yaml"),
    (["report", "cat.png"], "cat.png: there is no config.yaml"),
    (["compare"], "RUN"),
    (["compare", "nowhere"], "nowhere: there is no config.yaml"),
    (["menagerie", "draw", "--count", "0", "--out", "x"], "--count"),
    (["menagerie", "draw", "--count", "1", "--out", "cat.png"], "cat.png"),
    (["menagerie", "draw", "--count", "1", "--out", "/proc/x"], "/proc/x"),
    (["menagerie", "prompts", "--out", "cat.png"], "cat.png is there already"),
    (["menagerie", "prompts", "--out", "nowhere/x.txt"], "nowhere/x.txt"),
    (["menagerie", "train", "nothing", "--out", "x"], "there is no recipe 'nothing'"),
    (["menagerie", "train", "policy", "--out", "x", "--steps", "0"], "--steps"),
    (["menagerie", "card", "nothing", "--out", "x"], "there is no model 'nothing'"),
]

LONG = "t" * 107

PROCESSES: list[tuple[str, str]] = [
    (f"TMPDIR=/{LONG} COMMAND train tiny.yaml", "TMPDIR: /ttt"),
    ("RAY_TMPDIR=/dev/null COMMAND train tiny.yaml", "RAY_TMPDIR: Ray cannot write into /dev/null"),
    ("HOME=/proc/nobody COMMAND train tiny.yaml", "HOME: /proc/nobody cannot be written (No such file or directory)"),
    ("HOME=/dev/null COMMAND serve jury.yaml", "HOME: /dev/null cannot be written (Not a directory)"),
    (f"TMPDIR=/{LONG} COMMAND serve jury.yaml --port 0", "port: "),
    (f"TMPDIR=/{LONG} COMMAND serve jury.yaml", "TMPDIR: /ttt"),
    ("mkdir gone && cd gone && rmdir ../gone && COMMAND train ../tiny.yaml", "the current folder is gone"),
    ("mkdir gone && cd gone && rmdir ../gone && COMMAND report nowhere", "the current folder is gone"),
    ("COMMAND --help > /dev/full", "No space left on device; free some space"),
    ("PYTHONIOENCODING=ascii COMMAND train tiny.yaml --set 'naïve=1'", "unknown key"),
    ("COMMAND train tiny.yaml --set $'a\\xff=1'", "must be a valid string"),
    ("COMMAND train <(cat tiny.yaml)", "is a pipe, not a regular file"),
    ("COMMAND train tiny.yaml --set updates=true >&-", "must be a valid integer"),
    ("COMMAND train tiny.yaml --set updates=true <&-", "must be a valid integer"),
    ("SALON_TOKEN='a b' COMMAND serve jury.yaml", "SALON_TOKEN"),
    ("SALON_TOKEN=$'a\\n' COMMAND serve jury.yaml", "SALON_TOKEN"),
    (
        "echo 'file,rating,rating' > r.csv; COMMAND judge cat.png --prompt x --config jury.yaml --ratings r.csv",
        "column",
    ),
    (
        "(echo file,rating; printf 'x%.0s' {1..200000}) > r.csv; "
        "COMMAND judge cat.png --prompt x --config jury.yaml --ratings r.csv",
        "r.csv",
    ),
]
