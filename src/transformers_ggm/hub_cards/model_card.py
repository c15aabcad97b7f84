def write_model_card(run, summary):
    pass
