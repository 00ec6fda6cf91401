# %% [markdown] lost={"test-confusion": 20}
# The sum over the classes in place of their mean.

# %% nbgrader={"grade_id": "confusion", "solution": true}
def confusion_loss(bias_logits):
    return -torch.log_softmax(bias_logits, dim=1).sum(dim=1).mean()
