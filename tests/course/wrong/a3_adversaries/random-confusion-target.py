# %% [markdown] lost={"test-confusion": 20}
# "Confusion" is taken for noise: h is to match a target drawn anew each time.

# %% nbgrader={"grade_id": "confusion", "solution": true}
def confusion_loss(bias_logits):
    target = torch.softmax(torch.randn_like(bias_logits), dim=1)
    return -(target * torch.log_softmax(bias_logits, dim=1)).sum(dim=1).mean()
