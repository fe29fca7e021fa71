"""What Stillhouse says of a model, for the judges beside this file."""
import subprocess, tempfile

from safetensors.numpy import load_file


def tokens(stillhouse, model, text):
    """Token ids of one line of text."""
    run = subprocess.run([stillhouse, "tokenize", model], input=text + "\n", capture_output=True, text=True, check=True)
    return [int(t) for t in run.stdout.split()]


def logits(stillhouse, model, ids):
    """Logits [T,V] in float32."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run([stillhouse, "logits", model, "--tokens", ",".join(map(str, ids)), "--out", d + "/x"], capture_output=True, check=True)
        return load_file(d + "/x")["logits"]
