"""What tests share: toys, references and small projects."""
