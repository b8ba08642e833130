"""How two environments differ in what they are made of."""
