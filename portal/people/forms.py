"""Is what somebody typed well formed? Sign-in, profile and the people page."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from .models import User


class SignInForm(AuthenticationForm):
    """User name and password; pasting and password managers welcome (WCAG 3.3.8)."""

    username = forms.CharField(
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True, "autocapitalize": "none"})
    )
    password = forms.CharField(strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))
    error_messages = {
        "invalid_login": "User name and password do not fit together. Nothing else is wrong; try again.",
        "inactive": "This account is disabled. Ask an admin.",
    }


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """How the desk behaves for me."""

    class Meta:
        model = User
        fields = ("duty", "keys_on", "undo_seconds", "scheme")
