"""What is said in the world of the browser: stories, reasons, and text that means harm."""

from __future__ import annotations

HOSTILE = (
    "You won! Confirm your parcel before 6 pm: https://prize-parcel.example/c/9f\u200b or \u202etxt.exe\u202c "
    "<script>alert(1)</script> <img src=x onerror=alert(1)> javascript:alert(1)"
)
# Each would say so in `window.__hit` if it ever ran.
_RUN = "window.__hit=1"
PAYLOADS = (
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f"<svg onload={_RUN}>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<body onload={_RUN}>",
    f"<details open ontoggle={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<a href=javascript:{_RUN}>x</a>",
    f"javascript:{_RUN}",
    f"<iframe srcdoc='<script>parent.{_RUN}</script>'>",
    "<base href=//evil.example/>",
    f"<div hx-on:load='{_RUN}' hx-trigger=load hx-get=/>",
    "<div hx-get='/sign-out/' hx-trigger='load'></div>",
    "<style>*{display:none}</style>",
    f"'\"><img src=x onerror={_RUN}>",
    f"`${{{_RUN}}}`",
    "{{ 7*7 }}",
    "{% debug %}",
    f"<math><mtext><script>{_RUN}</script>",
    "<!--<script>",
    f"<template><script>{_RUN}</script></template>",
    "<form action=//evil.example><button>",
    "<meta http-equiv=refresh content=0>",
    f"<object data=javascript:{_RUN}>",
    f"data:text/html,<script>{_RUN}</script>",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "\u202e<b>\u202c",
    "\ufeff\u200b\u200d",
    "z" + "\u0301" * 400,
    "\U000e0041\U000e0042",
    "W" * 5000,
    "https://" + "a" * 2000 + ".example",
    "\ufdfd" * 60,
    "//evil.example/x",
    "hxxp://already[.]example",
    "ＨＴＴＰ://full-width.example",
    "xn--80ak6aa92e.example",
    "tel:+12025550100",
    "\x1b[31mred\x07",
)
SPAM_REASONS = (
    ("sp_near_duplicates", "velocity", "214 near copies in an hour", 30, 30),
    ("sp_cold_messages", "graph", "96 messages, nearly all to different people", 25, 25),
    ("sp_reported_3", "reports", "reported by 11 people", 15, 20),
    ("sp_reported_10", "reports", "reported by ten or more", 15, 20),
    ("sp_no_replies", "engagement", "almost nobody answers", 15, 15),
    ("sp_t_tenure", "trust", "confirmed e-mail and phone", -10, -10),
)
