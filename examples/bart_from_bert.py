"""Turns a BERT checkpoint into a BART checkpoint that `train.py --text` takes: BERT's encoder, and a decoder to train.

```bash
python examples/bart_from_bert.py path-or-hub-id-of-a-bert --output_dir bart --decoder_layers 2
python train.py --text bart --data_dir shorts --output_dir outputs/ggm
```

The encoder says what BERT says: both normalise after each sublayer, and what BERT has besides is folded into the
weights. The decoder's layers are new; its words and positions start as the encoder's. A small BERT, trained on more
text than there are hashtags, can be a better start than random weights, and a far smaller one than
`facebook/bart-base`.
"""

import argparse
import math

import torch
from transformers import AutoConfig, AutoTokenizer, BartConfig, BartForConditionalGeneration, BertConfig, BertModel

from transformers_ggm.errors import CheckpointError, OutputError
from transformers_ggm.utils.files import atomic_folder, check_output_folder

# Of a layer's weights: BERT's names by BART's.
LAYER_NAMES = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
# BART's learned positions begin in this row of their table.
POSITION_OFFSET = 2


def bart_config(bert: BertConfig, tokenizer, decoder_layers: int) -> BartConfig:
    """Configuration of the BART whose encoder has BERT's shape, and the special tokens of BERT's tokenizer."""
    if bert.hidden_act != "gelu":
        raise CheckpointError(f"This BERT computes with {bert.hidden_act!r}; only 'gelu' can be carried over.")
    return BartConfig(
        vocab_size=bert.vocab_size,
        d_model=bert.hidden_size,
        encoder_layers=bert.num_hidden_layers,
        decoder_layers=decoder_layers,
        encoder_attention_heads=bert.num_attention_heads,
        decoder_attention_heads=bert.num_attention_heads,
        encoder_ffn_dim=bert.intermediate_size,
        decoder_ffn_dim=bert.intermediate_size,
        max_position_embeddings=bert.max_position_embeddings,
        activation_function="gelu",
        dropout=bert.hidden_dropout_prob,
        attention_dropout=bert.attention_probs_dropout_prob,
        # What BART adds to a variance is ten million times BERT's, and not small beside that of BERT's embeddings.
        # Larger embeddings make it so, and leave the normalised ones as they were.
        scale_embedding=True,
        # What suits a new decoder of this width; the encoder's weights are BERT's.
        init_std=1 / math.sqrt(bert.hidden_size),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        decoder_start_token_id=tokenizer.sep_token_id,
        forced_eos_token_id=tokenizer.sep_token_id,
    )


@torch.no_grad()
def bart_from_bert(bert: BertModel, tokenizer, decoder_layers: int = 2) -> BartForConditionalGeneration:
    """
    A BART whose encoder's hidden states are those of a BERT that is told no second segment.

    Args:
        bert (`BertModel`): with absolute positions, as usual.
        tokenizer (`PreTrainedTokenizerBase`): BERT's.
        decoder_layers (`int`, *optional*, defaults to 2): layers of the decoder, of the encoder's shape, with random
            weights.

    Raises:
        CheckpointError: BERT's activation function is another than GELU.
    """
    bart = BartForConditionalGeneration(bart_config(bert.config, tokenizer, decoder_layers))
    embeddings, encoder, decoder = bert.embeddings, bart.model.encoder, bart.model.decoder
    bart.get_input_embeddings().load_state_dict({"weight": embeddings.word_embeddings.weight})
    positions = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
    for half in (encoder, decoder):
        half.embed_positions.weight[:POSITION_OFFSET] = 0.0
        half.embed_positions.weight[POSITION_OFFSET:] = positions * math.sqrt(bert.config.hidden_size)
        half.layernorm_embedding.load_state_dict(embeddings.LayerNorm.state_dict())
    for target, source in zip(encoder.layers, bert.encoder.layer):
        for ours, theirs in LAYER_NAMES.items():
            target.get_submodule(ours).load_state_dict(source.get_submodule(theirs).state_dict())
    return bart


def convert(checkpoint: str, output_dir: str, decoder_layers: int = 2) -> None:
    """
    Writes the BART checkpoint and its tokenizer.

    Args:
        checkpoint (`str`): folder or Hub id of a BERT, with its tokenizer.
        output_dir (`str`): where to; what is there is replaced.
        decoder_layers (`int`, *optional*, defaults to 2): see [`bart_from_bert`].

    Raises:
        CheckpointError: the checkpoint cannot be read, or is no BERT that can be carried over.
    """
    try:
        model_type = AutoConfig.from_pretrained(checkpoint).model_type
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{checkpoint} has no configuration of a model: {error}") from error
    if model_type != "bert":
        raise CheckpointError(f"{checkpoint} is a {model_type!r} checkpoint; a 'bert' one is needed.")
    try:
        bert = BertModel.from_pretrained(checkpoint, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{checkpoint} cannot be loaded as a BERT with its tokenizer: {error}") from error
    # BART's tokenizers frame texts with these two, as BERT's does by other names.
    tokenizer.bos_token, tokenizer.eos_token = tokenizer.cls_token, tokenizer.sep_token
    with atomic_folder(output_dir) as folder:
        bart_from_bert(bert, tokenizer, decoder_layers).save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="folder or Hub id of a BERT")
    parser.add_argument("--output_dir", required=True, help="folder to write the BART to")
    parser.add_argument("--decoder_layers", type=int, default=2, help="layers of the new decoder")
    arguments = parser.parse_args()
    try:
        check_output_folder(arguments.output_dir, "--output_dir")
    except OutputError as error:
        parser.error(str(error))
    convert(arguments.checkpoint, arguments.output_dir, arguments.decoder_layers)


if __name__ == "__main__":
    main()
