"""The other side of the comparison: the distillation step of `stillhouse bench step` in PyTorch and transformers.

    python step.py DIR --side stock     LlamaForCausalLM teaches GraniteMoeHybridForCausalLM, as they come
    python step.py DIR --side best      the same modules, compiled, with a matmul SSD scan, sums for the convolution, fused AdamW
    python step.py DIR --side onednn    as best, and every linear layer's three products through oneDNN instead of MKL

DIR holds weights, tokens and sizes as our side wrote them. For every line on stdin it takes one step and answers with
a line of JSON: seconds, processor seconds of the process (user and system, all threads), loss.
"""
import argparse
import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from transformers import GraniteMoeHybridConfig, GraniteMoeHybridForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.models.granitemoehybrid import modeling_granitemoehybrid as granite

CHUNK = 64  # of the scan, on all sides; transformers' default of 256 would cost the stock path four times the memory


def load(directory, z):
    """Returns teacher and student with our weights; every name and shape has to fit."""
    common = dict(vocab_size=z["vocab_size"], hidden_size=z["hidden_size"], num_hidden_layers=z["num_hidden_layers"],
                  num_attention_heads=z["num_attention_heads"], num_key_value_heads=z["num_key_value_heads"],
                  rms_norm_eps=z["rms_norm_eps"], tie_word_embeddings=z["tie_word_embeddings"], use_cache=False,
                  rope_parameters={"rope_type": "default", "rope_theta": float(z["rope_theta"])}, max_position_embeddings=2048)
    llama = LlamaConfig(intermediate_size=z["intermediate_size"], head_dim=z["head_dim"], **common)
    teacher = fill(LlamaForCausalLM(llama), load_file(f"{directory}/teacher.safetensors"))
    weights = load_file(f"{directory}/student.safetensors")
    if z["mamba"] == 0:
        return teacher, fill(LlamaForCausalLM(llama), weights)
    n, m = z["num_hidden_layers"], z["mamba"]
    student = GraniteMoeHybridForCausalLM(GraniteMoeHybridConfig(
        shared_intermediate_size=z["intermediate_size"], num_local_experts=0, position_embedding_type="rope",
        attention_multiplier=z["head_dim"] ** -0.5, layer_types=["attention"] * (n - m) + ["mamba"] * m,
        mamba_n_heads=z["num_attention_heads"], mamba_n_groups=z["num_attention_heads"], mamba_d_head=z["head_dim"],
        mamba_d_state=z["head_dim"], mamba_d_conv=4, mamba_expand=1, mamba_chunk_size=CHUNK, **common))
    for l in range(n):  # Granite keeps gate and up in one matrix
        p = f"model.layers.{l}."
        weights[p + "shared_mlp.input_linear.weight"] = torch.cat(
            [weights.pop(p + "mlp.gate_proj.weight"), weights.pop(p + "mlp.up_proj.weight")])
        weights[p + "shared_mlp.output_linear.weight"] = weights.pop(p + "mlp.down_proj.weight")
    return teacher, fill(student, weights)


def fill(model, weights):
    missing, unexpected = model.load_state_dict(weights, strict=False)
    missing = [n for n in missing if not (n == "lm_head.weight" and model.config.tie_word_embeddings)]
    if missing or unexpected:
        sys.exit(f"weights do not fit: missing {missing}, left over {unexpected}")
    return model


def chunk_scan(x, dt, A, B, C, chunk_size, D=None, dt_bias=None, dt_limit=(0.0, math.inf), **_):
    """Mamba-2's scan (arXiv:2405.21060, section 6) with every contraction a batched matrix product. x [B,T,H,P]; B, C [B,T,G,N]."""
    b, t, h, p = x.shape
    n, q = B.shape[-1], chunk_size
    if B.shape[2] != h or t % q:
        raise ValueError(f"{B.shape[2]} groups of {h} heads, {t} tokens in chunks of {q}: one group a head and whole chunks are what this comparison has")
    dt = F.softplus(dt + dt_bias)

    def chunks(v):  # [B,T,H,W] -> [B,H,chunks,Q,W]
        return v.reshape(b, t // q, q, h, -1).permute(0, 3, 1, 2, 4)
    u, k, c = chunks(x * dt[..., None]), chunks(B), chunks(C)
    cum = chunks((dt * A)[..., None])[..., 0].cumsum(-1)  # [B,H,chunks,Q]
    past = torch.ones(q, q, dtype=torch.bool).tril()
    decay = (cum[..., :, None] - cum[..., None, :]).masked_fill(~past, -math.inf).exp()
    inside = ((c @ k.transpose(-1, -2)) * decay) @ u
    last = cum[..., -1:]
    states = (k * (last - cum).exp()[..., None]).transpose(-1, -2) @ u  # [B,H,chunks,N,P]
    carried, s = [], torch.zeros_like(states[:, :, 0])
    for i in range(t // q):
        carried.append(s)
        s = s * last[:, :, i, :, None].exp() + states[:, :, i]
    y = inside + (c @ torch.stack(carried, 2)) * cum.exp()[..., None]
    return y.permute(0, 2, 3, 1, 4).reshape(b, t, h, p) + D[:, None] * x


def short_conv(x, weight, bias=None, activation=None, **_):
    """The causal depthwise convolution as a sum of shifted copies, which a compiler fuses. x [B,C,T], weight [C,K]."""
    t, k = x.shape[-1], weight.shape[-1]
    padded = F.pad(x, (k - 1, 0))
    return F.silu(sum(padded[..., i:i + t] * weight[:, i, None] for i in range(k)) + bias[:, None])


class OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return product(x, w)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        flat = dy.reshape(-1, dy.shape[-1])
        dx = product(dy, w.t()) if ctx.needs_input_grad[0] else None
        return dx, product(flat.t(), x.reshape(-1, x.shape[-1]).t()) if ctx.needs_input_grad[1] else None


def product(x, w):
    """x·wᵀ"""
    return torch.ops.mkldnn._linear_pointwise(x, w, None, "none", [], "")


def reverse_kl(student, teacher):
    """KL(student ‖ teacher) of two models' logits over the full vocabulary, the mean over tokens."""
    log_p, log_q = F.log_softmax(student, -1), F.log_softmax(teacher, -1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def processor_time():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


def main():
    a = argparse.ArgumentParser()
    a.add_argument("directory")
    a.add_argument("--side", choices=["stock", "best", "onednn", "bf16"], default="best")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--profile", action="store_true", help="five steps, then the costliest operations of the fifth")
    args = a.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_num_interop_threads(1)
    with open(f"{args.directory}/sizes.json") as f:
        z = json.load(f)
    teacher, student = load(args.directory, z)
    teacher.requires_grad_(False).eval()
    student.train()
    count = sum(p.numel() for p in student.parameters())
    if count != z["parameters"]:
        sys.exit(f"the student has {count} parameters, ours {z['parameters']}")
    ids = load_file(f"{args.directory}/tokens.safetensors")["ids"].long().reshape(-1, z["batch"], z["seq"])
    divergence = reverse_kl
    if args.side != "stock":
        granite.mamba2_chunk_scan, granite.causal_conv1d_fn = chunk_scan, short_conv
        if args.side == "bf16":  # not the same arithmetic: products of rounded operands, where the processor multiplies bfloat16
            torch.set_float32_matmul_precision("medium")
        if args.side == "onednn":
            torch.nn.Linear.forward = lambda self, x: OneDNNLinear.apply(x, self.weight)
        for model in (teacher, student):  # a block at a time: blocks of a kind share what is compiled
            for layer in model.model.layers:
                layer.compile()
        divergence = torch.compile(reverse_kl)
    decayed = [p for p in student.parameters() if p.dim() >= 2]  # as ours: not norms, biases, A_log, D
    spared = [p for p in student.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": spared, "weight_decay": 0.0}],
                                  lr=1e-4, betas=(0.9, 0.95), eps=1e-8, **({} if args.side == "stock" else {"fused": True}))
    print(json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, "parameters": count}), flush=True)

    def step(i):
        optimizer.zero_grad(set_to_none=True)
        x = ids[i % len(ids)]
        with torch.no_grad():
            targets = teacher(input_ids=x).logits
        loss = divergence(student(input_ids=x).logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    if args.profile:
        for i in range(4):
            step(i)
        with torch.profiler.profile() as p:
            step(4)
        print(p.key_averages().table(sort_by="self_cpu_time_total", row_limit=25), file=sys.stderr)
        return
    for i, _ in enumerate(sys.stdin):
        cpu, began = processor_time(), time.perf_counter()
        loss = step(i)
        print(json.dumps({"s": time.perf_counter() - began, "cpu_s": processor_time() - cpu, "loss": loss}), flush=True)


if __name__ == "__main__":
    main()
