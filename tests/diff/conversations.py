"""Conversations as clients send them, drawn by a seeded generator: the turns in order and out of it, parts, calls,
results, reasoning, and the variables that chat templates ask for."""
import random

TEXTS = ["", "Hi", " What's up? \n", "Grüße, 世界 😀", "Line one\nline two\n\n", "<b>&amp;</b> \"quoted\" 'single' \\n", "<think>\nlet me see\n</think>\n\nThe answer is 42.",
         "half a thought</think>\nDone.", "<think>never closed", "{\"x\": [1, 2]}", "/nothink", "tabs\tand\u00a0spaces  ", "<tool_response>\nold style\n</tool_response>",
         "<|channel|>final<|message|>no", "a" * 90, "multi\r\nline\r\n", "{{ not a template }}", "\u2028sep\u2029", "100%", "it's [INST] not </s>"]
ARGUMENTS = [{}, {"city": "Zürich"}, {"a": 1, "b": 2.5, "c": None, "d": True}, {"nested": {"list": [1, "two", {"three": []}], "t": "it's \"x\"\n"}}, {"q": "<&>", "n": -3},
             {"big": 9223372036854775807, "small": -9223372036854775808, "e": 1e-7, "f": 1e22}, {"ключ": "значение", "empty": "", "z": []}]
SCHEMAS = [
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"city": {"type": "string", "description": "A city, e.g. Zürich "}}, "required": ["city"]},
    {"type": "object", "properties": {"unit": {"type": "string", "enum": ["c", "f"], "default": "c"}, "days": {"type": "integer", "description": "how many", "default": 3},
                                      "exact": {"type": "boolean"}}, "required": ["days"]},
    {"type": "object", "properties": {"points": {"type": "array", "items": {"type": "number"}, "description": "The points, any number of them, in the order of the path"},
                                      "what": {"type": ["string", "null"]}, "any": {}, "deep": {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "array"}}, "required": ["x"]},
                                      "one": {"oneOf": [{"type": "string", "description": "a name"}, {"type": "number"}]}, "rows": {"type": "array", "items": {"type": "object"}}}},
]


class Conversations:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def content(self):
        r = self.random
        kind = r.random()
        if kind < 0.8:
            return r.choice(TEXTS)
        parts = []
        for _ in range(r.randint(0, 3)):
            parts.append(r.choice([{"type": "text", "text": r.choice(TEXTS)}, {"type": "image"}, {"type": "text", "text": "and"},
                                   {"type": "image_url", "image_url": {"url": "data:,"}}]))
        return parts

    def calls(self):
        r = self.random
        calls = []
        for _ in range(r.choice([1, 1, 2, 3])):
            function = {"name": r.choice(["get_weather", "f", "search_web"]), "arguments": r.choice(ARGUMENTS)}
            if r.random() < 0.1:
                function["arguments"] = "{\"as\": \"text\"}"
            call = {"type": "function", "function": function} if r.random() < 0.9 else function
            if r.random() < 0.8:
                call["id"] = r.choice(["abcdefghi", "call_0", "123456789"])
            calls.append(call)
        return calls

    def assistant(self):
        r = self.random
        message = {"role": "assistant"}
        if r.random() < 0.9:
            message["content"] = r.choice([None, "", r.choice(TEXTS), r.choice(TEXTS), r.choice(TEXTS)])
        if r.random() < 0.3:
            message[r.choice(["reasoning_content", "thinking", "reasoning"])] = r.choice(["hm", "\nstep 1\nstep 2\n", ""])
        if r.random() < 0.35:
            message["tool_calls"] = r.choice([self.calls(), self.calls(), self.calls(), [], None])
        elif r.random() < 0.05:
            message["prefix"] = True
        return message

    def messages(self):
        r = self.random
        messages = []
        if r.random() < 0.5:
            messages.append({"role": r.choice(["system", "system", "system", "developer"]), "content": self.content()})
        for _ in range(r.choice([0, 1, 1, 2, 3])):
            messages.append({"role": "user", "content": self.content()})
            if r.random() < 0.8:
                answer = self.assistant()
                messages.append(answer)
                for call in answer.get("tool_calls") or []:
                    result = {"role": "tool", "content": r.choice(TEXTS) if r.random() < 0.9 else r.choice([{"content": "x"}, [{"output": 1}], 5])}
                    if r.random() < 0.7:
                        result["name"] = call.get("function", call)["name"]
                    if r.random() < 0.8:
                        result["tool_call_id"] = call.get("id", "abcdefghi")
                    messages.append(result)
                if answer.get("tool_calls") and r.random() < 0.7:
                    messages.append(self.assistant())
        if r.random() < 0.6:
            messages.append({"role": "user", "content": self.content()})
        if r.random() < 0.05:
            r.shuffle(messages)
        return messages

    def tools(self):
        r = self.random
        tools = []
        for _ in range(r.randint(1, 3)):
            function = {"name": r.choice(["get_weather", "f", "search_web"]), "description": r.choice(["Looks it up.", " two\nlines ", "does & \"is\" <b>", "é" * 70 + " and then some words"]),
                        "parameters": r.choice(SCHEMAS)}
            if r.random() < 0.1:
                function["strict"] = True
            if r.random() < 0.05:
                del function["description"]
            tools.append({"type": "function", "function": function})
        return tools

    def request(self):
        r = self.random
        request = {"messages": self.messages(), "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": r.random() < 0.6}
        if r.random() < 0.4:
            request["tools"] = self.tools()
        if r.random() < 0.2:
            request["documents"] = [{"title": r.choice(["T", None, ""]), "text": r.choice(TEXTS)} for _ in range(r.randint(0, 2))]
        for name, values in [("enable_thinking", [True, False]), ("thinking", [True, False]), ("reasoning_effort", ["low", "high"]), ("builtin_tools", [["code_interpreter", "f"]]),
                             ("tools_in_user_message", [True, False]), ("date_string", ["1 Jan 2026"]), ("controls", [{"length": "short"}]), ("name", ["ada l."])]:
            if r.random() < 0.15:
                request[name] = r.choice(values)
        if r.random() < 0.1 and not request["add_generation_prompt"]:
            request["continue_final_message"] = True
        return request
