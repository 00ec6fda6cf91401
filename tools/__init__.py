"""What builds, executes and checks the book; nothing here is needed to use lnl_core."""
