# %% [markdown] lost={"test-confusion": 20}
# The entropy term of Eq. 6 in its place.

# %% nbgrader={"grade_id": "confusion", "solution": true}
def confusion_loss(bias_logits):
    log_q = torch.log_softmax(bias_logits, dim=1)
    return (log_q.exp() * log_q).sum(dim=1).mean()
