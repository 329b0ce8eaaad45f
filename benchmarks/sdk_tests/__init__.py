"""The SDK's own end-to-end tests, played against an emulator."""
