//! As much of a BPF assembler as one filter needs: instructions, and jumps to names.

/// A register of the BPF machine (RFC 9669 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
}

/// How much a load takes from memory, in its own byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Octet,
    Half,
    Word,
}

/// When a jump is taken; comparisons are unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Equal,
    NotEqual,
    Greater,
    Less,
}

/// A place to jump to, made by [`Assembler::label`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// One instruction as the kernel takes it (RFC 9669 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Instruction {
    operation: u8,
    /// Destination in the lower half, source in the upper.
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// Collects instructions; jumps go forward only.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    instructions: Vec<Instruction>,
    /// Where each label was placed.
    labels: Vec<Option<usize>>,
    /// Jumps by the label they want.
    jumps: Vec<(usize, Label)>,
}

const CLASS_LDX: u8 = 0x01;
const CLASS_ALU64: u8 = 0x07;
const CLASS_JMP: u8 = 0x05;
const CLASS_JMP32: u8 = 0x06;
const MODE_MEM: u8 = 0x60;
const SOURCE_REGISTER: u8 = 0x08;
const MOVE: u8 = 0xB0;
const ADD: u8 = 0x00;
const AND: u8 = 0x50;
/// `BPF_ALU | BPF_END | BPF_TO_BE`.
const TO_BIG_ENDIAN: u8 = 0xDC;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
/// `BPF_LD | BPF_IMM | BPF_DW`, takes two instructions.
const LOAD_64: u8 = 0x18;
/// In place of a source register: the value is a descriptor, to become the address of its map.
const PSEUDO_MAP_FD: u8 = 1;

impl Assembler {
    /// A label, to be placed once.
    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// Gives a label the place of the next instruction.
    pub(super) fn place(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(self.instructions.len());
        }
    }

    pub(super) fn load(&mut self, to: Register, width: Width, from: Register, offset: i16) {
        let size = match width {
            Width::Word => 0x00,
            Width::Half => 0x08,
            Width::Octet => 0x10,
        };
        self.push(CLASS_LDX | MODE_MEM | size, registers(to, from), offset, 0);
    }

    pub(super) fn set(&mut self, to: Register, value: i32) {
        self.push(CLASS_ALU64 | MOVE, registers(to, Register::R0), 0, value);
    }

    pub(super) fn copy(&mut self, to: Register, from: Register) {
        self.push(CLASS_ALU64 | MOVE | SOURCE_REGISTER, registers(to, from), 0, 0);
    }

    pub(super) fn add(&mut self, to: Register, value: i32) {
        self.push(CLASS_ALU64 | ADD, registers(to, Register::R0), 0, value);
    }

    pub(super) fn add_register(&mut self, to: Register, from: Register) {
        self.push(CLASS_ALU64 | ADD | SOURCE_REGISTER, registers(to, from), 0, 0);
    }

    pub(super) fn and(&mut self, to: Register, value: i32) {
        self.push(CLASS_ALU64 | AND, registers(to, Register::R0), 0, value);
    }

    /// Makes a number of 16 bits that was loaded as it lay in the packet.
    pub(super) fn network_to_number(&mut self, register: Register) {
        self.push(TO_BIG_ENDIAN, registers(register, Register::R0), 0, 16);
    }

    /// Loads the address of the map behind a descriptor.
    pub(super) fn load_map(&mut self, to: Register, map: i32) {
        let registers = to as u8 | PSEUDO_MAP_FD << 4;
        self.push(LOAD_64, registers, 0, map);
        self.push(0, 0, 0, 0);
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.push_jump(CLASS_JMP, registers(Register::R0, Register::R0), 0, to);
    }

    /// Compares the lower 32 bits of a register with a value.
    pub(super) fn jump_if(&mut self, left: Register, when: Condition, value: u32, to: Label) {
        let operation = CLASS_JMP32 | operation(when);
        let value = value.cast_signed();
        self.push_jump(operation, registers(left, Register::R0), value, to);
    }

    /// Compares two whole registers.
    pub(super) fn jump_if_register(
        &mut self,
        left: Register,
        when: Condition,
        right: Register,
        to: Label,
    ) {
        let operation = CLASS_JMP | SOURCE_REGISTER | operation(when);
        self.push_jump(operation, registers(left, right), 0, to);
    }

    pub(super) fn call(&mut self, helper: i32) {
        self.push(CALL, 0, 0, helper);
    }

    pub(super) fn exit(&mut self) {
        self.push(EXIT, 0, 0, 0);
    }

    /// The program; `None` if a label was not placed, or lies behind or too far from its jump.
    pub(super) fn finish(mut self) -> Option<Vec<Instruction>> {
        for (from, label) in self.jumps {
            let place = (*self.labels.get(label.0)?)?;
            // Relative to the instruction behind the jump.
            let distance = place.checked_sub(from + 1)?;
            self.instructions.get_mut(from)?.offset = i16::try_from(distance).ok()?;
        }
        Some(self.instructions)
    }

    fn push_jump(&mut self, operation: u8, registers: u8, immediate: i32, to: Label) {
        self.jumps.push((self.instructions.len(), to));
        self.push(operation, registers, 0, immediate);
    }

    fn push(&mut self, operation: u8, registers: u8, offset: i16, immediate: i32) {
        self.instructions.push(Instruction { operation, registers, offset, immediate });
    }
}

fn registers(destination: Register, source: Register) -> u8 {
    destination as u8 | (source as u8) << 4
}

fn operation(when: Condition) -> u8 {
    match when {
        Condition::Equal => 0x10,
        Condition::Greater => 0x20,
        Condition::NotEqual => 0x50,
        Condition::Less => 0xA0,
    }
}

#[cfg(test)]
impl Instruction {
    /// The eight octets as the kernel takes them.
    pub(super) fn from_octets([operation, registers, o1, o2, i1, i2, i3, i4]: [u8; 8]) -> Self {
        let offset = i16::from_ne_bytes([o1, o2]);
        let immediate = i32::from_ne_bytes([i1, i2, i3, i4]);
        Self { operation, registers, offset, immediate }
    }

    /// Whether this loads `value` as a 64-bit constant; makes it load the map behind `map` then.
    pub(super) fn patch_map(&mut self, value: i32, map: i32) -> bool {
        let found = self.operation == LOAD_64 && self.immediate == value;
        if found {
            self.registers |= PSEUDO_MAP_FD << 4;
            self.immediate = map;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_counts_from_the_instruction_behind_it() {
        let mut code = Assembler::default();
        let end = code.label();
        code.jump_if(Register::R1, Condition::Less, 7, end);
        code.set(Register::R0, 1);
        code.jump(end);
        code.place(end);
        code.exit();
        let code = code.finish().unwrap();
        assert_eq!(code[0], Instruction::from_octets([0xA6, 1, 2, 0, 7, 0, 0, 0]));
        assert_eq!(code[2], Instruction::from_octets([0x05, 0, 0, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn a_label_that_is_missing_or_behind_makes_no_program() {
        let mut missing = Assembler::default();
        let nowhere = missing.label();
        missing.jump(nowhere);
        assert_eq!(missing.finish(), None);

        let mut backward = Assembler::default();
        let start = backward.label();
        backward.place(start);
        backward.jump(start);
        assert_eq!(backward.finish(), None);
    }
}
