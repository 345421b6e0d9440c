"""More families, as families.py has them: encoders, sequence-to-sequence models and the rarer pipelines, as transformers makes
them of their vocabularies; and decoders whose pipelines differ from those there in a part."""
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from families import (GPT4, O200K, QWEN2, VOCABULARY, around, bos_first, byte_level, charsmap, gemma, llama2, llama_decoder, mistral_tekken,
                      roberta, split, spm_bpe, unigram, wordpiece)


def metaspace(scheme="always", split_words=True):
    return pre_tokenizers.Metaspace("▁", scheme, split_words)


def unigram_family(corpus, normalizer, special, single, pair, pre=None, mask=None):
    tokenizer = unigram(corpus, normalizer, pre or metaspace(), special)
    tokenizer.decoder = decoders.Metaspace()
    if mask:
        tokenizer.add_special_tokens([mask])
    tokenizer.post_processor = around(single, pair)(tokenizer)
    return tokenizer


def collapsed(*first):
    """What is done before spaces become one."""
    return normalizers.Sequence([*first, normalizers.Precompiled(charsmap()), normalizers.Replace(Regex(" {2,}"), " ")])


def deberta(corpus):
    tokenizer = byte_level(corpus, [], ["[PAD]", "[CLS]", "[SEP]", "[UNK]"], use_regex=True)
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False)])
    tokenizer.post_processor = around("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0")(tokenizer)
    return tokenizer


def deberta_v2(corpus):
    return unigram_family(corpus, normalizers.Sequence([normalizers.Lowercase(), normalizers.Strip(), collapsed()]), ["[PAD]", "[CLS]", "[SEP]", "<unk>"],
                          "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", mask=AddedToken("[MASK]", normalized=True, special=True),
                          pre=pre_tokenizers.Sequence([pre_tokenizers.Punctuation("isolated"), metaspace()]))


def deberta_v3(corpus):
    return unigram_family(corpus, normalizers.Sequence([normalizers.Strip(), normalizers.Precompiled(charsmap()), normalizers.Replace(Regex(" {2,}"), " ")]),
                          ["[PAD]", "[CLS]", "[SEP]", "<unk>"], "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
                          mask=AddedToken("[MASK]", single_word=False, normalized=False, special=True))


def xlnet(corpus):
    first = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents()]
    return unigram_family(corpus, collapsed(*first), ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>"], "$A:0 <sep>:0 <cls>:2",
                          "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2", mask=AddedToken("<mask>", lstrip=True, special=True))


def pegasus(corpus):
    return unigram_family(corpus, collapsed(), ["<pad>", "</s>", "<mask_1>", "<unk>", *[f"<unk_{i}>" for i in range(2, 40)]], "$A </s>", "$A $B </s>",
                          pre=pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace()]),
                          mask=AddedToken("<mask_2>", lstrip=False, special=True))


def nllb(corpus):
    tokenizer = unigram(corpus, collapsed(), metaspace("always"), ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.decoder = decoders.Metaspace("▁", "always")
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ["ace_Arab", "deu_Latn", "eng_Latn", "zho_Hans"]])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=True)])
    tokenizer.post_processor = around("eng_Latn $A </s>", "eng_Latn $A $B </s>")(tokenizer)
    return tokenizer


def mbart50(corpus):
    tokenizer = unigram(corpus, collapsed(), metaspace("always"), ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in ["ar_AR", "en_XX", "zh_CN"]])
    tokenizer.post_processor = around("$A </s> en_XX", "$A $B </s> en_XX")(tokenizer)
    return tokenizer


def xglm(corpus):
    return unigram_family(corpus, collapsed(), ["<s>", "<pad>", "</s>", "<unk>", *[f"<madeupword{i}>" for i in range(7)]], "</s> $A", "</s> $A </s> </s> $B")


def camembert(corpus):
    return unigram_family(corpus, collapsed(), ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<s>", "</s>"], "<s> $A </s>", "<s> $A </s> </s> $B </s>",
                          mask=AddedToken("<mask>", lstrip=True, special=True, normalized=False))


def rembert(corpus):
    tokenizer = unigram(corpus, normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Precompiled(charsmap()),
                                                      normalizers.Replace(Regex(" {2,}"), " ")]),
                        metaspace("first"), ["<pad>", "<unk>", "[CLS]", "[SEP]"])
    tokenizer.decoder = decoders.Metaspace("▁", "first")
    tokenizer.post_processor = around("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")(tokenizer)
    return tokenizer


def big_bird(corpus):
    return unigram_family(corpus, normalizers.Precompiled(charsmap()), ["<unk>", "<pad>", "</s>", "<s>", "[SEP]", "[CLS]"], "[CLS]:0 $A:0 [SEP]:0",
                          "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", mask=AddedToken("[MASK]", lstrip=True, normalized=False))


def bge_m3(corpus):
    tokenizer = unigram(corpus, normalizers.Precompiled(charsmap()), metaspace("always", True), ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, rstrip=True, special=True, normalized=False)])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = around("<s> $A </s>", "<s> $A </s> </s> $B </s>")(tokenizer)
    return tokenizer


def mt5_byte_fallback(corpus):
    """Unigram whose unknown characters are bytes (Gemma's and Mistral's models in Unigram form)."""
    import json
    tokenizer = unigram(corpus, normalizers.Replace(" ", "▁"), None, ["<pad>", "</s>", "<unk>"])
    tokenizer.decoder = llama_decoder()
    root = json.loads(tokenizer.to_str())
    root["model"]["vocab"] += [[f"<0x{i:02X}>", -20.0] for i in range(256)]
    root["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(root))


def bert_uncased(corpus):
    return wordpiece(corpus, normalizers.BertNormalizer(True, True, True, True))


def bert_multilingual_cased(corpus):
    return wordpiece(corpus, normalizers.BertNormalizer(True, True, False, False))


def bert_japanese_characters(corpus):
    tokenizer = wordpiece(corpus, normalizers.Sequence([normalizers.NFKC(), normalizers.BertNormalizer(False, True, False, False)]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.UnicodeScripts(), pre_tokenizers.Punctuation()])
    return tokenizer


def funnel(corpus):
    tokenizer = wordpiece(corpus, normalizers.BertNormalizer(True, True, True, True), ("<pad>", "[UNK]", "<cls>", "<sep>", "<mask>"), post=None)
    tokenizer.post_processor = around("<cls>:2 $A:0 <sep>:0", "<cls>:2 $A:0 <sep>:0 $B:1 <sep>:1")(tokenizer)
    return tokenizer


def suffix_bpe(corpus, normalizer, pre, special, unknown, post=None, **model):
    tokenizer = Tokenizer(models.BPE(unk_token=unknown, end_of_word_suffix="</w>", **model))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False, special_tokens=special, limit_alphabet=200,
                                                              end_of_word_suffix="</w>"))
    if post:
        tokenizer.post_processor = post(tokenizer)
    return tokenizer


def openai_gpt(corpus):
    return suffix_bpe(corpus, normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer(), ["<unk>"], "<unk>")


def herbert(corpus):
    normalizer = normalizers.BertNormalizer(clean_text=False, strip_accents=False, lowercase=False)
    return suffix_bpe(corpus, normalizer, pre_tokenizers.BertPreTokenizer(), ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "<unk>",
                      lambda t: processors.BertProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>"))))


def xlm_mlm(corpus):
    normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.NFD(), normalizers.StripAccents()])
    return suffix_bpe(corpus, normalizer, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("removed")]),
                      ["<s>", "</s>", "<pad>", "<unk>"], "<unk>", fuse_unk=True)


def led(corpus):
    tokenizer = roberta(corpus)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")), False, True)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    return tokenizer


def modern_bert(corpus):
    tokenizer = byte_level(corpus, [], ["[UNK]", "[CLS]", "[SEP]", "[PAD]"], normalizers.NFC(), use_regex=True)
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, normalized=False)])
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)] + [AddedToken("|||IP_ADDRESS|||", normalized=True)])
    tokenizer.post_processor = around("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]")(tokenizer)
    return tokenizer


def wav2vec2(corpus):
    """Characters, and a decoder that takes repeats away."""
    letters = "ETAOINHSRDLUMWCFGYPBVKXJQZ'"
    vocabulary = {t: i for i, t in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(" ", "|"), normalizers.Replace(Regex("[a-z]"), "A")])
    tokenizer.pre_tokenizer = split("", "isolated")
    tokenizer.decoder = decoders.CTC("<pad>", "|", True)
    tokenizer.add_special_tokens(["<s>", "</s>"])
    return tokenizer


def protein(corpus):
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWC", "<mask>"])}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(), normalizers.Replace(Regex("[UZOB]"), "X")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.FixedLength(1)])
    tokenizer.add_special_tokens(["<cls>", "<eos>", "<mask>"])
    tokenizer.post_processor = around("<cls> $A <eos>", "<cls> $A <eos> $B:1 <eos>:1")(tokenizer)
    return tokenizer


def code_llama(corpus):
    tokenizer = llama2(corpus)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ["▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"]])
    return tokenizer


def gemma3(corpus):
    tokenizer = gemma(corpus)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in
                                  ["<start_of_turn>", "<end_of_turn>", "<start_of_image>", *[f"<unused{i}>" for i in range(20)]]])
    return tokenizer


def yi(corpus):
    return spm_bpe(corpus, normalizers.Sequence([normalizers.Replace(" ", "▁")]), None,
                   decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]))


def internlm2(corpus):
    tokenizer = spm_bpe(corpus, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None,
                        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ["<|im_start|>", "<|im_end|>", "<|plugin|>"]])
    tokenizer.post_processor = processors.Sequence([around("<s> $A", "<s> $A $B:1")(tokenizer)])
    return tokenizer


def phi4(corpus):
    tokenizer = byte_level(corpus, [split(GPT4, "removed", True)], ["<|endoftext|>"])
    tokenizer.add_special_tokens([AddedToken(t, lstrip=True, rstrip=True, special=True, normalized=False) for t in
                                  ["<|im_start|>", "<|im_sep|>", "<|im_end|>", "<|dummy_0|>"]])
    return tokenizer


def glm4(corpus):
    tokenizer = byte_level(corpus, [split(GPT4)], ["<|endoftext|>", "[MASK]", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"],
                           ignore_merges=True)
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ["<think>", "</think>", "<arg_key>", "/nothink"]])
    tokenizer.post_processor = around("[gMASK] <sop> $A", "[gMASK] <sop> $A $B:1")(tokenizer)
    return tokenizer


def minimax(corpus):
    tokenizer = byte_level(corpus, [split(O200K)], ["]!p~[", "]~!b[", "]~b]", "[e~["], normalizer=None)
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ["<fim_prefix>", "<think>", "<minimax:tool_call>"]])
    return tokenizer


def gpt_oss(corpus):
    special = ["<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>", "<|message|>", "<|call|>"]
    return byte_level(corpus, [split(O200K)], special, post=lambda t: processors.ByteLevel(trim_offsets=False), ignore_merges=True)


def llama4(corpus):
    return byte_level(corpus, [split(O200K)], ["<|begin_of_text|>", "<|header_start|>", "<|header_end|>", "<|eot|>", "<|image|>"],
                      post=bos_first("<|begin_of_text|>"))


def mistral_small(corpus):
    tokenizer = mistral_tekken(corpus)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ["[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[IMG]", "[THINK]"]])
    return tokenizer


def granite(corpus):
    return byte_level(corpus, [pre_tokenizers.Digits(individual_digits=True)], ["<|end_of_text|>", "<fim_prefix>", "<|start_of_role|>", "<|end_of_role|>"],
                      use_regex=True, post=lambda t: processors.ByteLevel(add_prefix_space=True, trim_offsets=True))


def nemotron(corpus):
    digits = QWEN2.replace(r"[^\r\n\p{L}\p{N}]?\p{L}+", r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+")
    return byte_level(corpus, [split(digits)], ["<s>", "</s>", "<SPECIAL_10>"], post=around("<s> $A", "<s> $A <s>:1 $B:1"), ignore_merges=True)


def byte_level_normalizer(corpus):
    """The byte alphabet as a normalizer, and no splitting: merges cross words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.ByteLevel()])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def across_words(corpus):
    """Merges over spaces, of characters with bytes to fall back to."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=4000, show_progress=False, special_tokens=["<unk>", "<s>", "</s>", *[f"<0x{i:02X}>" for i in range(256)]], limit_alphabet=200))
    tokenizer.decoder = llama_decoder()
    return tokenizer


def across_words_bytes(corpus):
    """The same over bytes, with few words known."""
    tokenizer = byte_level(corpus, [split(r"\p{N}{1,3}")], ["<|endoftext|>"])
    return tokenizer


def across_words_plain(corpus):
    """And without an alphabet of spaces: what is unknown is left out or fused."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=2500, show_progress=False, special_tokens=["<unk>"], limit_alphabet=120))
    return tokenizer


FAMILIES = {f.__name__: f for f in [
    deberta, deberta_v2, deberta_v3, xlnet, pegasus, nllb, mbart50, xglm, camembert, rembert, big_bird, bge_m3, mt5_byte_fallback, bert_uncased,
    bert_multilingual_cased, bert_japanese_characters, funnel, openai_gpt, herbert, xlm_mlm, led, modern_bert, wav2vec2, protein, code_llama, gemma3, yi,
    internlm2, phi4, glm4, minimax, gpt_oss, llama4, mistral_small, granite, nemotron, byte_level_normalizer, across_words, across_words_bytes,
    across_words_plain]}
