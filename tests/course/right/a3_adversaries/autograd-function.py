# %% [markdown]
# A Function, and torch's cross-entropy of probabilities.

# %% nbgrader={"grade_id": "reverse", "solution": true}
class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.scale * gradient, None


def reverse(x, scale):
    return Reversal.apply(x, scale)

# %% nbgrader={"grade_id": "confusion", "solution": true} replace={"    return -torch.log_softmax(bias_logits, dim=1).mean()": "    return F.cross_entropy(bias_logits, torch.full_like(bias_logits, 1 / bias_logits.shape[1]))"}
