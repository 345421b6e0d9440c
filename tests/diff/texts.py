"""Texts that tokenizers disagree on: seeded, and of every kind that Unicode has."""
import random

# One inner list a script: its letters, digits where it has its own, marks.
SCRIPTS = [
    [(0x41, 0x5A), (0x61, 0x7A)], [(0x30, 0x39)], [(0xC0, 0x24F)], [(0x250, 0x2AF)], [(0x370, 0x3FF)],
    [(0x400, 0x52F)], [(0x531, 0x58F)], [(0x590, 0x5FF)], [(0x600, 0x6FF)], [(0x700, 0x74F)], [(0x900, 0x97F)],
    [(0x980, 0x9FF)], [(0xB80, 0xBFF)], [(0xE00, 0xE7F)], [(0xE80, 0xEFF)], [(0xF00, 0xFFF)], [(0x1000, 0x109F)],
    [(0x10A0, 0x10FF)], [(0x1100, 0x11FF)], [(0x1200, 0x137F)], [(0x13A0, 0x13FF)], [(0x1780, 0x17FF)],
    [(0x1E00, 0x1EFF)], [(0x1F00, 0x1FFF)], [(0x3040, 0x30FF)], [(0x3130, 0x318F)], [(0x4E00, 0x9FFF)],
    [(0x3400, 0x4DBF)], [(0xAC00, 0xD7A3)], [(0xA000, 0xA48F)], [(0xFB00, 0xFB4F)], [(0xFB50, 0xFDFF)],
    [(0xFE70, 0xFEFF)], [(0xFF00, 0xFFEF)], [(0x10400, 0x1044F)], [(0x10A00, 0x10A5F)], [(0x11000, 0x1107F)],
    [(0x12000, 0x1237F)], [(0x1D400, 0x1D7FF)], [(0x1E900, 0x1E95F)], [(0x20000, 0x2A6DF)], [(0x2F800, 0x2FA1F)],
]
SPACES = [9, 10, 11, 12, 13, 32, 32, 32, 32, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F,
          0x205F, 0x2060, 0x3000, 0xFEFF, 0x1C, 0x1D, 0x1E, 0x1F]
EMOJI = ["😀", "👩‍💻", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "🇩🇪🇫🇷", "👍🏽", "❤️", "1️⃣", "🧑🏿‍🚀", "☺", "⌚️", "🫠", "🪿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
WORDS = """the quick brown fox jumps over lazy dog I'm you're we've they'll he'd don't can't it's it's IT'S DON'T We'Re
hello Hello HELLO world World antidisestablishmentarianism tokenization unbelievable camelCase snake_case kebab-case
http://example.com/a?b=c&d=e user@example.org 3.14 1,000,000 1e-5 0x1F 2024-01-31 12:34:56 $5.00 50% #tag @name
naïve café résumé Straße STRASSE ſtraße İstanbul ıstanbul Œuvre ﬁne ﬂow ½ ² Ⅷ № ™ … — – ‘’ “” « » ¿ ¡ § ¶ 你好 世界 こんにちは
カタカナ ｶﾀｶﾅ 안녕하세요 한국어 привет мир Γειά σου ὀδυσσεύς שלום مرحبا नमस्ते ไทย ខ្មែរ ပြည်""".split()
SPECIAL = ["<s>", "</s>", "<unk>", "<pad>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<mask>", "<|endoftext|>", "<|im_start|>",
           "<|im_end|>", "<|begin_of_text|>", "<0x0A>", "<0xC3>", "▁", "▁▁", "Ġ", "Ċ", "##ing", "</w>", "[INST]", "tok", "TOK"]
SENTENCES = """The committee's decision (of 12 March) wasn't unanimous: 7–5, "narrowly".
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich, weiß Frau Müller-Lüdenscheidt.
Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis; c'est l'été, n'est-ce pas ?
El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío; ¿añoraba a su querido cachorro?
Съешь же ещё этих мягких французских булок, да выпей чаю — 1-го мая, в 9:30.
Ξεσκεπάζω την ψυχοφθόρα βδελυγμία· ΌΣΟΣ κι όσος.
Pijamalı hasta yağız şoföre çabucak güvendi; İSTANBUL'da ıhlamur içtik.
Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń!
Tôi có thể ăn thuỷ tinh mà không hại gì; tiếng Việt có nhiều dấu.
我能吞下玻璃而不伤身体。2024年5月1日，价格是￥1,234.50元。
いろはにほへと ちりぬるを、ﾊﾝｶｸとゼンカクＡＢＣ１２３。
키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.
نص حكيم له سر قاطع وذو شأن عظيم، مكتوب على ثوب أخضر ١٢٣.
דג סקרן שט בים מאוכזב ולפתע מצא חברה — "כֵּן".
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश १२३।
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓
கண்ணாடி உண்ணத் தக்கது; அதனால் எனக்கு ஒரு கேடும் வராது.
ខ្ញុំអាចញុំកញ្ចក់បាន ដោយគ្មានបញ្ហារ
მე ვჭამ მინას და არა მტკივა. Կրնամ ապակի ուտել։
ᚠᛇᚻ᛫ᛒᛦᚦ᛫ᚠᚱᚩᚠᚢᚱ᛫ᚠᛁᚱᚪ  𐌼𐌰𐌲 𐌲𐌻𐌴𐍃 𐌹̈𐍄𐌰𐌽
Ça coûte 3,50 € — ½ prix ! №5, §7, 20 °C, x² + y³ = ∑ᵢ aᵢ, ﬀ ﬃ Ǆ ǆ""".split("\n")
# What decoders and normalizers have rules of their own for.
ODD = ["\0", "\x01", "\x7f", "\x80", "\x9f", "\u00ad", "\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u200b", "\u200c", "\u200d", "\u200e",
       "\u202e", "\u2066", "\u2028", "\u2029", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ufff9", "\ufffc", "\ufffd", "\ufffe", "\uffff",
       "\U0001d15e", "\U000e0001", "\U000e0041", "\U000f0000", "\U0010ffff", "\U0001f3fb", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u0344",
       "\u0f73", "\u1e9b\u0323", "\u2126", "\u212b", "\ufb1d", "\u0958", "\u01c5", "\u1fb3", "\u0345", "\u03a3", "\u0130", "\u0149"]
BROKEN = [b"\x80", b"\xbf", b"\xc0", b"\xc1\xbf", b"\xc3", b"\xe2\x96", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xe0\x80\x80", b"\xf0\x9f\x91", b"\xf0\x80\x80\x80",
          b"\xf4\x90\x80\x80", b"\xf5\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xff\xff\xff"]
CODE = ["\tif (x == 0) {\n\t\treturn -1;\n\t}\n", "def f(a, b):\n    return a + b\n", "\r\n\r\n", "  \n\t\n", "#include <stdio.h>\n",
        "x+=1;y--;z**2", "```python\nprint('hi')\n```", "{\"a\": [1, 2.5, null]}", "<p class=\"x\">&nbsp;</p>", "// ----- //"]


class Texts:
    """special: the added tokens of the tokenizer at hand, which the texts then contain whole, cut and cased. pieces: some
    of its vocabulary, which they contain next to each other."""

    def __init__(self, seed, special=(), pieces=()):
        self.random = random.Random(seed)
        self.special = list(special) + SPECIAL
        self.pieces = list(pieces) or WORDS

    def scalar(self):
        r = self.random
        while True:
            c = r.choice([r.randrange(0x80), r.randrange(0x800), r.randrange(0x3000), r.randrange(0x10000),
                          r.randrange(0x110000)])
            if not 0xD800 <= c < 0xE000:
                return chr(c)

    def script_word(self):
        low, high = self.random.choice(self.random.choice(SCRIPTS))
        return "".join(chr(self.random.randint(low, high)) for _ in range(self.random.randint(1, 8)))

    def marked(self):
        r = self.random
        marks = [(0x300, 0x36F), (0x1AB0, 0x1ACE), (0x20D0, 0x20F0), (0x591, 0x5BD), (0x64B, 0x65F), (0x93E, 0x94D)]
        text = ""
        for _ in range(r.randint(1, 5)):
            text += r.choice("aeiounAEsſüé" + "אبक")
            low, high = r.choice(marks)
            text += "".join(chr(r.randint(low, high)) for _ in range(r.randint(0, 4)))
        return text

    def run(self):
        r = self.random
        c = r.choice(["!", "?", ".", "-", "=", "_", "'", "\"", "*", "#", "$", "^", "`", "~", "/", "|", "\u2581", "é", "漢", "a",
                      "0", " ", "\n", "\t", "\r\n", "\u3000", "\u0301", "🙂", "\u200d", "▁ "])
        return c * r.randint(1, r.choice([4, 20, 80]))

    def special_text(self):
        r = self.random
        token = r.choice(self.special)
        kind = r.randrange(8)
        if kind == 0:
            return token[:r.randint(0, len(token))]
        if kind == 1:
            return token.swapcase()
        if kind == 2:
            return token + token
        if kind == 3:
            return r.choice(["a", "1", "_", "é", "\u0301", ""]) + token + r.choice(["b", "2", "_", "ü", "\u200d", ""])
        return self.space() + token + self.space() if kind < 6 else token

    def space(self):
        r = self.random
        return "".join(chr(r.choice(SPACES)) for _ in range(r.choice([0, 1, 1, 1, 2, 3, 6])))

    def sentence(self):
        """A part of one, at times of two run together."""
        r = self.random
        sentence = r.choice(SENTENCES)
        if r.random() < 0.2:
            sentence += r.choice(["", "\n", " "]) + r.choice(SENTENCES)
        begin = r.choice([0, r.randint(0, len(sentence))])
        return sentence[begin:begin + r.choice([5, 20, 60, 200])]

    def spaces(self):
        """Long runs of white space, of one kind or mixed."""
        r = self.random
        kinds = [chr(r.choice(SPACES)) for _ in range(r.choice([1, 1, 2, 3]))]
        return "".join(r.choice(kinds) for _ in range(r.randint(2, r.choice([6, 20, 120]))))

    def long_word(self):
        r = self.random
        low, high = r.choice(r.choice(SCRIPTS[:32]))
        letters = r.choice(["abcdefghijklmnopqrstuvwxyz", "ACGT", "0123456789", "0123456789abcdef", "etaoin", "".join(chr(r.randint(low, high)) for _ in range(12)),
                            "aé\u0301", "+/=ABCDxyz019", "-_", "🙂a"])
        return "".join(r.choice(letters) for _ in range(r.choice([100, 300, 1000, 3000])))

    def part(self):
        r = self.random
        kind = r.randrange(20)
        if kind < 4:
            word = r.choice(WORDS)
            return r.choice([word, word, word.upper(), word.lower(), word.title(), word[::-1]])
        if kind == 4:
            return "".join(r.choice("0123456789") for _ in range(r.randint(1, 14)))
        if kind == 5:
            return "".join(r.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(r.randint(1, 6)))
        if kind == 6:
            return self.space()
        if kind == 7:
            return self.script_word()
        if kind == 8:
            return self.marked()
        if kind == 9:
            return r.choice(EMOJI)
        if kind == 10:
            return self.run()
        if kind == 11:
            return self.special_text()
        if kind == 12:
            return r.choice(CODE)
        if kind == 13:
            return "".join(self.scalar() for _ in range(r.randint(1, 6)))
        if kind == 14:
            return self.sentence()
        if kind == 15:
            return self.spaces()
        if kind == 16:
            return "".join(r.choice(ODD) + r.choice(["", "a", "é", " "]) for _ in range(r.randint(1, 3)))
        if kind == 17:
            return "".join(r.choice(self.pieces) for _ in range(r.randint(1, 6)))
        if kind == 18:
            letters = r.choice(["ab", "ab ", "aab▁", "xyz", "01 ", "éa\u0301", "漢字a", "\n a", "'st "])
            return "".join(r.choice(letters) for _ in range(r.randint(1, 24)))
        return r.choice(["'", "’"]) + r.choice(["s", "S", "ſ", "t", "re", "VE", "m", "ll", "LL", "d", "K", "x"])

    def text(self):
        r = self.random
        if r.random() < 0.01:
            return r.choice(["", " ", "x "]) + self.long_word() + r.choice(["", " ", " y"])
        if r.random() < 0.01:
            return r.choice(["a", "ab", "xyz ", "漢", "\u0301", "ÀÉ", "0123456789"]) * r.randint(50, 400)
        parts = []
        for _ in range(r.choice([0, 1, 1, 2, 3, 5, 8, 14])):
            parts.append(self.part())
            parts.append(r.choice(["", "", " ", " ", " ", "  ", "\n", "\t"]))
        return "".join(parts)

    def bytes(self):
        """A text with some of its bytes cut away, changed or added: not always UTF-8."""
        r = self.random
        data = bytearray(self.text().encode())
        for _ in range(r.randint(0, 4)):
            at = r.randint(0, len(data))
            if r.random() < 0.5:
                data[at:at + 1] = b""
            else:
                data[at:at] = r.choice(BROKEN) if r.random() < 0.7 else bytes([r.randrange(256)])
        return bytes(data)
