"""Pipelines that nobody uses but the format allows: parts, flags and some vocabularies drawn by a seeded generator."""
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import families

BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
PATTERNS = [r"\s+", r"\d", r"\w+|[^\w\s]+", r"[aeiou]", r"(?=[A-Z])", r"\p{L}+", r"\p{P}", r"[^\p{L}\p{M}]+", r"a*", r"\b", r"^.",
            r"\p{Han}|\p{Hiragana}", r"[[:alpha:]]+", r"[[:punct:]]", r".$", r"(?i)the|STRASSE", r"\p{Lu}\p{Ll}*", r"\S\s?",
            r"[\p{N}&&[^0-4]]", r"\h+", r"(?<=\s)\S", r"(?<!\d)\d{2}", r"(a|b)\1?", r"[^\x00-\x7F]+", r"\R|\X", r"(?m)^\s*",
            r"\W", r"\D+", r"[\w']+", r"[\s\d]+", r"\p{Emoji}", r"\p{Alphabetic}+", r"\u3042|é", r"(?s).{3}", r"x?+y++", r"(?>a+)b",
            r"[[:space:]]", r"[[:upper:]][[:lower:]]+", r"\p{Sc}|\p{Sm}|\p{So}", r"\p{Zs}", r"\p{^L}", r"\P{L}", r"\A.", r".\z", r"\G."]
LITERALS = [" ", "a", "the", "▁", "  ", "é", "\n", "'", "e\u0301", "漢"]


def normalizer(r, depth=0):
    kind = r.randrange(15 if depth == 0 else 14)
    if kind == 0:
        return r.choice([normalizers.NFC, normalizers.NFD, normalizers.NFKC, normalizers.NFKD])()
    if kind == 1:
        return normalizers.Lowercase()
    if kind == 2:
        return normalizers.Strip(r.random() < 0.5, r.random() < 0.5)
    if kind == 3:
        return normalizers.StripAccents()
    if kind == 4:
        return normalizers.Nmt()
    if kind in (5, 6):
        pattern = r.choice(LITERALS) if r.random() < 0.5 else Regex(r.choice(PATTERNS))
        return normalizers.Replace(pattern, r.choice(["", "▁", " ", "x", "é漢", "ab"]))
    if kind == 7:
        return normalizers.Prepend(r.choice(["▁", "x", "é "]))
    if kind == 8:
        return normalizers.BertNormalizer(r.random() < 0.5, r.random() < 0.5, r.choice([None, True, False]), r.random() < 0.5)
    if kind == 9:
        return normalizers.Precompiled(families.charsmap())
    if kind == 10:
        return normalizers.Sequence([])
    if kind < 13:
        return r.choice([normalizers.NFD, normalizers.NFKC, normalizers.Lowercase])()
    if kind == 13:
        return normalizers.ByteLevel()
    return normalizers.Sequence([normalizer(r, 1) for _ in range(r.randint(1, 4))])


def pre_tokenizer(r, depth=0):
    kind = r.randrange(15 if depth == 0 else 12)
    if kind == 0:
        return pre_tokenizers.Whitespace()
    if kind == 1:
        return pre_tokenizers.WhitespaceSplit()
    if kind == 2:
        return pre_tokenizers.BertPreTokenizer()
    if kind == 3:
        return pre_tokenizers.Punctuation(r.choice(BEHAVIORS))
    if kind == 4:
        return pre_tokenizers.Digits(r.random() < 0.5)
    if kind == 5:
        return pre_tokenizers.Metaspace(r.choice("▁_"), r.choice(["always", "first", "never"]), r.random() < 0.5)
    if kind == 6:
        return pre_tokenizers.CharDelimiterSplit(r.choice([" ", "a", "é", "▁"]))
    if kind == 7:
        return pre_tokenizers.UnicodeScripts()
    if kind == 8:
        return pre_tokenizers.FixedLength(r.randint(1, 7))
    if kind < 12:
        pattern = r.choice(LITERALS) if r.random() < 0.3 else Regex(r.choice(PATTERNS))
        return pre_tokenizers.Split(pattern, r.choice(BEHAVIORS), r.random() < 0.3)
    if kind == 12:
        return pre_tokenizers.ByteLevel(add_prefix_space=r.random() < 0.5, use_regex=r.random() < 0.5)
    return pre_tokenizers.Sequence([pre_tokenizer(r, 1) for _ in range(r.randint(1, 3))])


def decoder(r, depth=0):
    kind = r.randrange(11 if depth == 0 else 9)
    if kind == 0:
        return decoders.ByteLevel()
    if kind == 1:
        return decoders.ByteFallback()
    if kind == 2:
        return decoders.Metaspace(r.choice("▁_"), r.choice(["always", "first", "never"]), r.random() < 0.5)
    if kind == 3:
        return decoders.WordPiece(r.choice(["##", "▁", ""]), r.random() < 0.5)
    if kind == 4:
        return decoders.BPEDecoder(r.choice(["</w>", "##"]))
    if kind == 5:
        return decoders.CTC(r.choice(["<pad>", "a"]), r.choice(["|", "e"]), r.random() < 0.5)
    if kind == 6:
        return decoders.Replace(r.choice(["▁", "a", Regex(r"\s+")]), r.choice([" ", "", "xy"]))
    if kind == 7:
        return decoders.Strip(r.choice(" a▁"), r.randint(0, 2), r.randint(0, 2))
    if kind == 8:
        return decoders.Fuse()
    return decoders.Sequence([decoder(r, 1) for _ in range(r.randint(1, 4))])


SPECIAL = ["<unk>", "<pad>", "<s>", "</s>"]


def drawn_words(r, letters, n):
    return list(dict.fromkeys("".join(r.choice(letters) for _ in range(r.randint(1, 6))) for _ in range(n)))


def numbered(r, tokens):
    """Special tokens first; the others in any order, at times with ids that nobody has."""
    tokens = list(dict.fromkeys(tokens))
    r.shuffle(tokens)
    gap = r.choice([0, 0, 3])
    return {t: i + (gap if i > 8 else 0) for i, t in enumerate(dict.fromkeys(SPECIAL + tokens))}


def drawn_bpe(r, letters):
    """Merges that no training would give: in any order, of tokens that come up in no other way, the same one twice."""
    prefix, suffix = r.choice(["", "", "", "##"]), r.choice(["", "", "", "</w>"])
    tokens = list(dict.fromkeys(p + c + s for c in letters for p in {"", prefix} for s in {"", suffix} if r.random() < 0.95))
    merges = []
    for _ in range(r.randint(0, 60)):
        left, right = r.choice(tokens), r.choice(tokens)
        if prefix and not right.startswith(prefix) or suffix and left.endswith(suffix) or len(left) + len(right) > 14:
            continue
        merges.append((left, right))
        tokens.append(left + right[len(prefix):])
    if r.random() < 0.3:
        r.shuffle(merges)
    if merges and r.random() < 0.2:
        merges.append(r.choice(merges))
    if r.random() < 0.5:
        tokens += [t for t in families.BYTES if r.random() < r.choice([0.5, 1, 1])]
    tokens += drawn_words(r, letters, 5)
    affixes = {k: v for k, v in [("continuing_subword_prefix", prefix), ("end_of_word_suffix", suffix)] if v}
    return models.BPE(vocab=numbered(r, tokens), merges=merges, fuse_unk=r.random() < 0.5, byte_fallback=not affixes and r.random() < 0.4,
                      ignore_merges=r.random() < 0.3, **r.choice([{}, {"unk_token": "<unk>"}]), **affixes)


def drawn_unigram(r, letters):
    """Few different scores, so that many paths are as good."""
    scores = r.choice([[-1.0, -2.0, -3.0], [-1.5], [0.0, -0.1, -0.2, -0.3], [r.uniform(-12, 0) for _ in range(60)]])
    pieces = list(dict.fromkeys(SPECIAL + [c for c in letters if r.random() < 0.8] + drawn_words(r, letters, 80)))
    fallback = r.random() < 0.3
    if fallback:
        pieces += [t for t in families.BYTES if r.random() < r.choice([0.5, 1, 1])]
    return models.Unigram([(p, r.choice(scores)) for p in pieces], r.choice([0, 0, 0, 5]), fallback)


def drawn_model(r):
    letters = r.choice(["ab", "ab \u2581", "abc\u00e9 ", "\u6f22\u5b57 a\u2581", "ab\u0120\u010a\u00c3\u0102", "aA1.'", "e\u0301\u00e9 \u2581a"])
    kind = r.randrange(6)
    if kind < 3:
        return drawn_bpe(r, letters)
    if kind == 3:
        return drawn_unigram(r, letters)
    words = drawn_words(r, letters, 60)
    if kind == 4:
        prefix = r.choice(["##", "##", "@@", "a"])
        return models.WordPiece(numbered(r, words + [prefix + w for w in drawn_words(r, letters, 60)]), unk_token="<unk>",
                                max_input_chars_per_word=r.choice([3, 10, 100]), continuing_subword_prefix=prefix)
    return models.WordLevel(numbered(r, words), unk_token="<unk>")


def model(r, corpus):
    if r.random() < 0.4:
        return Tokenizer(drawn_model(r))
    kind = r.randrange(6)
    pre = r.choice([pre_tokenizers.Whitespace(), pre_tokenizers.Metaspace(), pre_tokenizers.ByteLevel(), pre_tokenizers.BertPreTokenizer()])
    common = {"vocab_size": 700, "show_progress": False, "special_tokens": SPECIAL}
    if kind < 3:
        prefix, suffix = r.choice(["", "", "##"]), r.choice(["", "", "</w>"])
        affixes = {k: v for k, v in [("continuing_subword_prefix", prefix), ("end_of_word_suffix", suffix)] if v}
        unknown = r.choice([{}, {"unk_token": "<unk>"}])
        tokenizer = Tokenizer(models.BPE(fuse_unk=r.random() < 0.5, byte_fallback=not affixes and r.random() < 0.4, ignore_merges=r.random() < 0.3,
                                         **unknown, **affixes))
        if r.random() < 0.4:
            common["special_tokens"] = SPECIAL + families.BYTES
        trainer = trainers.BpeTrainer(limit_alphabet=r.choice([60, 300]), **common, **affixes)
    elif kind == 3:
        tokenizer = Tokenizer(models.Unigram())
        trainer = trainers.UnigramTrainer(unk_token="<unk>", **common)
    elif kind == 4:
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>", max_input_chars_per_word=r.choice([3, 10, 100])))
        trainer = trainers.WordPieceTrainer(limit_alphabet=r.choice([60, 300]), **common)
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
        trainer = trainers.WordLevelTrainer(**common)
    tokenizer.pre_tokenizer = pre
    tokenizer.train_from_iterator(corpus[:400], trainer)
    return tokenizer


def post_processor(r, tokenizer):
    cls, sep = ("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>"))
    kind = r.randrange(7)
    if kind == 0:
        return processors.ByteLevel(add_prefix_space=r.random() < 0.5, trim_offsets=r.random() < 0.5)
    if kind == 1:
        return processors.BertProcessing(sep, cls)
    if kind == 2:
        return processors.RobertaProcessing(sep, cls, r.random() < 0.5, r.random() < 0.5)
    template = families.around(r.choice(["$A", "<s> $A", "<s>:1 $A:2 </s>:3", "<s> <s> $A:1 </s>"]),
                               r.choice(["$A $B", "<s> $A </s> $B:1 </s>:1", "$B:1 <s> $A", "<s> $A:2 $B:3 </s>:1"]))(tokenizer)
    if kind == 3:
        return processors.Sequence([processors.ByteLevel(trim_offsets=r.random() < 0.5), template])
    return template if kind < 6 else None


def added_tokens(r, tokenizer):
    """Of tokens that the normalizer makes equal the reference finds any, as a hash table has it: only one of them is
    added."""
    seen = set()
    for content in r.sample(["<tok>", "the", "THE", "é", "e\u0301", " lead", "trail ", "12", "▁x", "\n\n", "漢字", "ing", "#", "İ", "ﬁ",
                             "<TOK>", "<|a b|>", "  ", "'s", "</s><s>"], r.randint(0, 6)):
        flags = dict(single_word=r.random() < 0.3, lstrip=r.random() < 0.3, rstrip=r.random() < 0.3, normalized=r.random() < 0.5)
        sought = tokenizer.normalizer.normalize_str(content) if flags["normalized"] and tokenizer.normalizer else content
        if (flags["normalized"], sought) in seen:
            continue
        seen.add((flags["normalized"], sought))
        if r.random() < 0.5:
            tokenizer.add_special_tokens([AddedToken(content, special=True, **flags)])
        else:
            tokenizer.add_tokens([AddedToken(content, **flags)])


def build(seed, corpus):
    r = random.Random(seed)
    tokenizer = model(r, corpus)
    tokenizer.normalizer = normalizer(r) if r.random() < 0.8 else None
    tokenizer.pre_tokenizer = pre_tokenizer(r) if r.random() < 0.85 else None
    tokenizer.decoder = decoder(r) if r.random() < 0.9 else None
    post = post_processor(r, tokenizer)
    if post:
        tokenizer.post_processor = post
    added_tokens(r, tokenizer)
    return tokenizer


def restrict(r, tokenizer):
    """Truncation and padding."""
    if r.random() < 0.8:
        tokenizer.enable_truncation(r.randint(0, 20), stride=r.choice([0, 0, 1, 2]), strategy=r.choice(
            ["longest_first", "longest_first", "only_first", "only_second"]), direction=r.choice(["right", "left"]))
    if r.random() < 0.8:
        tokenizer.enable_padding(direction=r.choice(["right", "left"]), pad_id=r.randint(0, 3), pad_type_id=r.randint(0, 2),
                                 pad_token="<pad>", length=r.choice([None, None, 5, 16]), pad_to_multiple_of=r.choice([None, None, 8]))
