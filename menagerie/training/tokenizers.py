"""Tokenizers of the small models, trained on the words of the drawn world."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

from menagerie.world.scene import ANIMALS, COLOURS, SETTINGS, WORDS

VOCABULARY = (
    *(
        "a",
        "an",
        "and",
        "at",
        "in",
        "next",
        "of",
        "on",
        "picture",
        "says",
        "sign",
        "stand",
        "stands",
        "that",
        "the",
        "to",
    ),
    *("photo", "with", "no", "is", "has"),
    *ANIMALS,
    *COLOURS,
    *SETTINGS,
    *(word.lower() for word in WORDS),
)


def clip_tokenizer(max_length: int = 32, words: Iterable[str] = VOCABULARY) -> CLIPTokenizer:
    """CLIP's byte-level BPE: each of the `words` (lower case) is one token, other text is split into bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters)])
    merges: dict[tuple[str, str], None] = {}
    for word in dict.fromkeys(words):
        pieces = merged([*word[:-1], f"{word[-1]}</w>"], merges)
        while len(pieces) > 1:
            merges[pieces[0], pieces[1]] = None
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
            tokens[pieces[0]] = None
    vocabulary = {t: i for i, t in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    pairs: Any = list(merges)
    return CLIPTokenizer(
        vocab=vocabulary,
        merges=pairs,
        model_max_length=max_length,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )


def merged(pieces: list[str], merges: Iterable[tuple[str, str]]) -> list[str]:
    """The pieces of a word after the merges, applied in order as in BPE."""
    for pair in merges:
        i = 0
        while i < len(pieces) - 1:
            if (pieces[i], pieces[i + 1]) == pair:
                pieces = [*pieces[:i], pieces[i] + pieces[i + 1], *pieces[i + 2 :]]
            i += 1
    return pieces


def llama_tokenizer(corpus: Iterable[str], size: int = 1024) -> PreTrainedTokenizerFast:
    """A byte-level BPE with LLaVA's special tokens that may merge across spaces but not across lines, commas, colons.

    A line of a long template becomes one or two tokens, so that the four-part question is short enough for a small
    language model.
    """
    tokenizer = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(r"\n|: ?|, |\. |<image>"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["<image>"],
        model_max_length=1024,
        padding_side="left",
    )


def word_tokenizer(
    corpus: Iterable[str], marks: Iterable[str] = (), *, max_length: int, causal: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE in which every word of the corpus is one token.

    `marks` are single tokens wherever they occur, inside words, too. Special tokens have the ids of T5's, and a text
    ends with `</s>`. For a `causal` model a text starts with `<s>` and has no end token, and no space is put before its
    first word, so that decoding returns the text unchanged.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=not causal)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        special_tokens=["<pad>", "</s>", "<unk>", "<s>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in marks])
    frame = "<s> $A" if causal else "$A </s>"
    tokenizer.post_processor = processors.TemplateProcessing(single=frame, special_tokens=[("<s>", 3), ("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="left" if causal else "right",
    )
