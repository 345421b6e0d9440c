"""Tokenizers in the shape of the ones people use, small: the pipeline of each as its tokenizer.json has it, the vocabulary
trained on whatever corpus there is. A family is a function that returns a tokenizers.Tokenizer."""
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
            r"\s*[\r\n]+|\s+(?!\S)|\s+")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
QWEN35 = QWEN2.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]+", r"[^\s\p{L}\p{M}\p{N}]+")
SEED = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+")
BAILING = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
EXAONE = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|"
          r"\s*[\r\n]|\s+(?!\S)|\s+")
JAIS2 = GPT4.replace(r"\s+(?!\S)|\s+", r"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|"
                     r"\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}")
KIMI = (r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"
        r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+")
TINY_AYA = r"\d{1,3}(?=(?:\d{3})*\b)"
AFMOE_CJK = "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+"
VOCABULARY = 1200


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(corpus, steps, special, normalizer=None, post=None, prefix_space=False, use_regex=False, decoder=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer:
        tokenizer.normalizer = normalizer
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=use_regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, last]) if steps else last
    tokenizer.decoder = decoder or decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    if post:
        tokenizer.post_processor = post(tokenizer)
    return tokenizer


def around(single, pair):
    def build(tokenizer):
        names = {w.split(":")[0] for w in f"{single} {pair}".split()} - {"$A", "$B"}
        return processors.TemplateProcessing(single=single, pair=pair,
                                             special_tokens=[(n, tokenizer.token_to_id(n)) for n in names])
    return build


def bos_first(bos):
    template = around(f"{bos} $A", f"{bos}:0 $A:0 {bos}:1 $B:1")
    return lambda t: processors.Sequence([processors.ByteLevel(trim_offsets=False), template(t)])


def llama3(corpus):
    bos = "<|begin_of_text|>"
    special = [bos, "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    special += [f"<|reserved_special_token_{i}|>" for i in range(20)]
    return byte_level(corpus, [split(GPT4)], special, post=bos_first(bos), ignore_merges=True)


def qwen2(corpus):
    tokenizer = byte_level(corpus, [split(QWEN2)], ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizers.NFC(),
                           lambda t: processors.ByteLevel(trim_offsets=False), continuing_subword_prefix="", end_of_word_suffix="")
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in
                          ["<tool_call>", "</tool_call>", "<think>", "</think>", "<|fim_prefix|>"]])
    return tokenizer


def qwen35(corpus):
    return byte_level(corpus, [split(QWEN35)], ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizers.NFC())


def deepseek_v3(corpus):
    special = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"]
    tokenizer = byte_level(corpus, [split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK)], special,
                           normalizers.Sequence([]), around(special[0] + " $A", f"{special[0]} $A {special[0]}:1 $B:1"))
    tokenizer.add_tokens([AddedToken(t, normalized=True) for t in ["<｜fim▁hole｜>", "<｜tool▁sep｜>", "<think>"]])
    return tokenizer


def deepseek_coder(corpus):
    steps = [split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"),
             pre_tokenizers.Digits(individual_digits=True)]
    return byte_level(corpus, steps, ["<｜begin▁of▁sentence｜>"])


def deepseek_llm(corpus):
    letters = "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-Ⴥ"
    steps = [split(r"[\r\n]"), split(r"\s?[" + letters + "]+"), split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"),
             split("[一-龥ࠀ-一가-퟿]+"), pre_tokenizers.Digits(individual_digits=True)]
    return byte_level(corpus, steps, ["<｜begin▁of▁sentence｜>"])


def mistral_tekken(corpus):
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]"]
    return byte_level(corpus, [split(TEKKEN)], special, post=around("<s> $A", "<s> $A <s>:1 $B:1"), ignore_merges=True)


def gpt_4o(corpus):
    return byte_level(corpus, [split(O200K)], ["<|endoftext|>", "<|start|>", "<|message|>"])


def kimi(corpus):
    return byte_level(corpus, [split(KIMI)], ["[BOS]", "[EOS]"], ignore_merges=True)


def exaone_moe(corpus):
    return byte_level(corpus, [split(EXAONE)], ["[BOS]", "[EOS]"])


def jais2(corpus):
    return byte_level(corpus, [split(JAIS2)], ["<|endoftext|>"])


def seed_coder(corpus):
    return byte_level(corpus, [split(SEED)], ["<[begin▁of▁sentence]>"])


def bailing(corpus):
    return byte_level(corpus, [split(BAILING)], ["<|endoftext|>"], normalizers.NFC())


def tiny_aya(corpus):
    return byte_level(corpus, [split(TINY_AYA), split(O200K)], ["<BOS_TOKEN>"], normalizers.NFC())


def afmoe(corpus):
    steps = [split(r"(?=(\d{3})+(?!\d))"), split(AFMOE_CJK), split(DEEPSEEK)]
    return byte_level(corpus, steps, ["<|begin_of_text|>"])


def superbpe(corpus):
    return byte_level(corpus, [split(r"\p{N}+"), split(r"(?=(\d{3})+(?!\d))")], ["<|endoftext|>"])


def minicpm5(corpus):
    return byte_level(corpus, [split(r"\p{N}{1,3}"), split(GPT4.replace("{1,3}", "+"))], ["<s>"], ignore_merges=True)


def chameleon(corpus):
    steps = [split("<sentinel:[0-9]+>"), split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"), split("([\\t\\n]|    |  )"),
             pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.Punctuation("isolated")]
    return byte_level(corpus, steps, ["<s>", "</s>"], use_regex=True)


def laguna(corpus):
    return byte_level(corpus, [split(r"[^\n]+|[\n]+"), split(QWEN2)], ["<s>"])


def gpt2(corpus):
    return byte_level(corpus, [], ["<|endoftext|>"], use_regex=True, post=lambda t: processors.ByteLevel(trim_offsets=False))


def gpt_neox(corpus):
    tokenizer = byte_level(corpus, [], ["<|endoftext|>", "<|padding|>"], normalizers.NFC(), use_regex=True,
                           post=lambda t: processors.ByteLevel(trim_offsets=True))
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    return tokenizer


def olmo(corpus):
    tokenizer = gpt_neox(corpus)
    tokenizer.post_processor = around("$A <|endoftext|>", "$A $B:1 <|endoftext|>:1")(tokenizer)
    return tokenizer


def starcoder(corpus):
    return byte_level(corpus, [pre_tokenizers.Digits(individual_digits=True)], ["<|endoftext|>", "<fim_prefix>", "<gh_stars>"],
                      use_regex=True, post=lambda t: processors.ByteLevel())


def smollm(corpus):
    return byte_level(corpus, [pre_tokenizers.Digits(individual_digits=True)], ["<|endoftext|>", "<|im_start|>", "<repo_name>"],
                      use_regex=True)


def falcon(corpus):
    steps = [pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
             pre_tokenizers.Digits(individual_digits=False), split("[0-9][0-9][0-9]")]
    tokenizer = byte_level(corpus, [], [">>TITLE<<", ">>ABSTRACT<<", "<|endoftext|>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def falcon3(corpus):
    steps = [split(GPT4), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer = byte_level(corpus, steps[:1], ["<|endoftext|>", ">>UNUSED_1<<"], ignore_merges=True)
    return tokenizer


def command_r(corpus):
    tokenizer = byte_level(corpus, [pre_tokenizers.Digits(individual_digits=True)],
                           ["<PAD>", "<UNK>", "<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>"], normalizers.NFC(), use_regex=True,
                           post=lambda t: around("<BOS_TOKEN> $A", "<BOS_TOKEN> $A <BOS_TOKEN>:1 $B:1")(t),
                           decoder=decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True))
    tokenizer.add_tokens([AddedToken("<EOP_TOKEN>", normalized=False)])
    return tokenizer


def bloom(corpus):
    return byte_level(corpus, [split(BLOOM)], ["<unk>", "<s>", "</s>", "<pad>"], post=lambda t: processors.ByteLevel(trim_offsets=False))


def roberta(corpus):
    tokenizer = byte_level(corpus, [], ["<s>", "<pad>", "</s>", "<unk>"], use_regex=True)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", tokenizer.token_to_id("</s>")),
                                                            ("<s>", tokenizer.token_to_id("<s>")), True, False)
    return tokenizer


def whisper(corpus):
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"]
    tokenizer = byte_level(corpus, [], special, use_regex=True, post=around(
        "<|startoftranscript|> <|notimestamps|> $A <|endoftext|>", "<|startoftranscript|> <|notimestamps|> $A $B:1 <|endoftext|>:1"))
    tokenizer.add_tokens([AddedToken(f"<|{i / 50:.2f}|>", normalized=False) for i in range(40)])
    return tokenizer


def clip(corpus):
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split(pattern, "removed", True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False, end_of_word_suffix="</w>", initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([AddedToken("<|startoftext|>", special=True, normalized=True),
                                  AddedToken("<|endoftext|>", special=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>")),
                                                            ("<|startoftext|>", tokenizer.token_to_id("<|startoftext|>")), False, False)
    return tokenizer


BYTES = [f"<0x{i:02X}>" for i in range(256)]


def spm_bpe(corpus, normalizer, pre, decoder, special=("<unk>", "<s>", "</s>"), **model):
    """Llama 2's way: BPE over escaped text with byte fallback."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True, **model))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=VOCABULARY, show_progress=False, special_tokens=[*special, *BYTES], limit_alphabet=200))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    tokenizer.post_processor = around("<s> $A", "<s> $A <s>:1 $B:1")(tokenizer)
    return without_added(tokenizer, BYTES)


def without_added(tokenizer, tokens):
    import json
    root = json.loads(tokenizer.to_str())
    root["added_tokens"] = [t for t in root["added_tokens"] if t["content"] not in tokens]
    return Tokenizer.from_str(json.dumps(root))


def llama_decoder():
    return decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def llama2(corpus):
    return spm_bpe(corpus, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None, llama_decoder())


def mistral_v3(corpus):
    return spm_bpe(corpus, None, pre_tokenizers.Metaspace("▁", "first", False), llama_decoder())


def phi3(corpus):
    tokenizer = llama2(corpus)
    tokenizer.add_special_tokens([AddedToken(t, rstrip=True, normalized=False, special=True) for t in
                                  ["<|user|>", "<|assistant|>", "<|end|>", "<|system|>"]])
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True, normalized=False)])
    return tokenizer


def gemma(corpus):
    tokenizer = spm_bpe(corpus, normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous"),
                        decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]))
    tokenizer.add_tokens([AddedToken("\n" * n, normalized=False) for n in range(1, 8)])
    tokenizer.add_tokens([AddedToken("▁" * n, normalized=False) for n in range(2, 8)])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ["<table>", "\t\t", "<b>"]])
    return tokenizer


def unigram(corpus, normalizer, pre, special, **settings):
    tokenizer = Tokenizer(models.Unigram())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.train_from_iterator(corpus[:2500], trainers.UnigramTrainer(  # the rest has more letters than the vocabulary
        vocab_size=VOCABULARY, show_progress=False, special_tokens=special, unk_token="<unk>", **settings))
    return tokenizer


def charsmap():
    """nmt_nfkc as sentencepiece compiles it."""
    import io
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as pb
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["a b c d e f g"] * 9), model_writer=model, vocab_size=16,
                                             hard_vocab_limit=False, minloglevel=9)
    proto = pb.ModelProto()
    proto.ParseFromString(model.getvalue())
    return proto.normalizer_spec.precompiled_charsmap


def xlm_r(corpus):
    tokenizer = unigram(corpus, normalizers.Precompiled(charsmap()),
                        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
                        ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=True)])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = around("<s> $A </s>", "<s> $A </s> </s> $B </s>")(tokenizer)
    return tokenizer


def albert(corpus):
    tokenizer = unigram(corpus, normalizers.Sequence([
        normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents(),
        normalizers.Lowercase(), normalizers.Precompiled(charsmap()), normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]), ["<pad>", "<unk>", "[CLS]", "[SEP]"])
    tokenizer.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True, normalized=False)])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = around("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")(tokenizer)
    return tokenizer


def t5(corpus):
    tokenizer = unigram(corpus, normalizers.Precompiled(charsmap()),
                        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]),
                        ["<pad>", "</s>", "<unk>"])
    tokenizer.add_special_tokens([AddedToken(f"<extra_id_{i}>", special=True, normalized=False) for i in range(20)])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = around("$A </s>", "$A </s> $B </s>")(tokenizer)
    return tokenizer


def mbart(corpus):
    tokenizer = unigram(corpus, normalizers.Sequence([
        normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(False, True), normalizers.Replace(Regex(" {2,}"), "▁")]),
        pre_tokenizers.Metaspace("▁", "always"), ["<s>", "<pad>", "</s>", "<unk>"], )
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def wordpiece(corpus, normalizer, special=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
              post=around("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(corpus, trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, show_progress=False, special_tokens=list(special), limit_alphabet=300))
    tokenizer.decoder = decoders.WordPiece("##", cleanup=True)
    if post:
        tokenizer.post_processor = post(tokenizer)
    return tokenizer


def distilbert(corpus):
    return wordpiece(corpus, normalizers.BertNormalizer(True, True, None, True))


def bert_cased(corpus):
    tokenizer = wordpiece(corpus, normalizers.BertNormalizer(True, True, False, False))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def mpnet(corpus):
    tokenizer = wordpiece(corpus, normalizers.BertNormalizer(True, True, None, True))
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), True, True)
    return tokenizer


def wordlevel(corpus):
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(corpus, trainers.WordLevelTrainer(vocab_size=VOCABULARY, special_tokens=["[UNK]", "[PAD]"],
                                                                    show_progress=False))
    return tokenizer


FAMILIES = {f.__name__: f for f in [
    llama3, qwen2, qwen35, deepseek_v3, deepseek_coder, deepseek_llm, mistral_tekken, gpt_4o, kimi, exaone_moe, jais2, seed_coder,
    bailing, tiny_aya, afmoe, superbpe, minicpm5, chameleon, laguna, gpt2, gpt_neox, olmo, starcoder, smollm, falcon, falcon3,
    command_r, bloom, roberta, whisper, clip, llama2, mistral_v3, phi3, gemma, xlm_r, albert, t5, mbart, distilbert, bert_cased,
    mpnet, wordlevel]}
