# %% [markdown] lost={"test-batch": 20}
# The mean is taken over the classes too, so that the term is K times too small.

# %% nbgrader={"grade_id": "batch", "solution": true}
def negative_entropy(bias_logits):
    log_q = torch.log_softmax(bias_logits, dim=1)
    return (log_q.exp() * log_q).mean()
