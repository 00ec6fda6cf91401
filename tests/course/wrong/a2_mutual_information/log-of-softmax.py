# %% [markdown] lost={"test-batch": 20}
# The formula as it is written: right until a probability underflows.

# %% nbgrader={"grade_id": "batch", "solution": true}
def negative_entropy(bias_logits):
    q = torch.softmax(bias_logits, dim=1)
    return (q * torch.log(q)).sum(dim=1).mean()
