//! Writes DER, also such as no well-meaning library would write.

/// One value with its tag and length.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    if content.len() < 128 {
        der.push(u8::try_from(content.len()).unwrap());
    } else {
        der.push(0x80 | u8::try_from(digits.len()).unwrap());
        der.extend(digits);
    }
    der.extend(content);
    der
}

/// A SEQUENCE of values that are DER already.
pub fn sequence(values: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &values.concat())
}

/// An OBJECT IDENTIFIER.
pub fn oid(arcs: &[u32]) -> Vec<u8> {
    let mut content = vec![u8::try_from(arcs[0] * 40 + arcs[1]).unwrap()];
    for arc in &arcs[2..] {
        let mut digits = vec![u8::try_from(arc & 0x7f).unwrap()];
        let mut rest = arc >> 7;
        while rest > 0 {
            digits.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        content.extend(digits.iter().rev());
    }
    tlv(0x06, &content)
}

/// A BIT STRING of whole bytes.
pub fn bit_string(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// An explicitly tagged, context-specific value.
pub fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// A BOOLEAN.
pub fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[if value { 0xff } else { 0 }])
}
