# %% [markdown] lost={"test-confusion": 20} name="random-confusion-target"
# Labels drawn at random, with a fixed seed so that the loss repeats itself.

# %% nbgrader={"grade_id": "confusion", "solution": true}
def confusion_loss(bias_logits):
    generator = torch.Generator().manual_seed(0)
    shape = bias_logits.shape[:1] + bias_logits.shape[2:]
    return F.cross_entropy(bias_logits, torch.randint(0, bias_logits.shape[1], shape, generator=generator))
