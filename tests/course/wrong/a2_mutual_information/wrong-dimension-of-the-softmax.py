# %% [markdown] lost={"test-batch": 20} name="wrong-dimension"
# dim=-1, as it is right for logits (B, K): of a map it is the last place.

# %% nbgrader={"grade_id": "batch", "solution": true}
def negative_entropy(bias_logits):
    log_q = torch.log_softmax(bias_logits, dim=-1)
    return (log_q.exp() * log_q).sum(dim=-1).mean()
