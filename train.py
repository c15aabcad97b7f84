"""
Trains a retriever and a generator on a folder of shorts, and writes one checkpoint folder with its card.

From pretrained backbones (the defaults: CLIP, ViT, BART, CLAP):

    python train.py --data_dir shorts --output_dir outputs/ggm

From random weights, small enough for two CPU cores:

    ggm render-shorts --output_dir shorts
    python train.py examples/configs/rendered_shorts.yaml --data_dir shorts --output_dir outputs/demo

On several processes, unchanged: `accelerate launch --num_processes 2 train.py ...`. Every stage (prepare, retriever,
pool, guidance, generator, evaluate) is skipped when its finished output is there, and continues from its last
checkpoint after a kill; `--stages` runs some of them alone. The stage classifier, which trains the baselines BERT, ViT
and ViT-BERT, runs only where `--stages` names it. `python train.py --help` lists every argument.
"""

# The stages stand, in their order, in transformers_ggm/training/main.py: `ggm train` runs them without this file.
from transformers_ggm.training import main

if __name__ == "__main__":
    main()
