//! Dense tables: one array look-up per packet, no hash over what an attacker chooses.

/// Values at small numbers that somebody else gives out.
pub(crate) struct Table<T>(Vec<Option<T>>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    pub(crate) fn at(&self, id: u32) -> Option<&T> {
        self.0.get(id as usize)?.as_ref()
    }

    pub(crate) fn at_mut(&mut self, id: u32) -> Option<&mut T> {
        self.0.get_mut(id as usize)?.as_mut()
    }

    pub(crate) fn insert(&mut self, id: u32, value: T) {
        let place = id as usize;
        if place >= self.0.len() {
            // In the same steps wherever it begins: a worker may begin with a high number.
            let room = (place + 1).next_power_of_two();
            self.0.reserve_exact(room - self.0.len());
            self.0.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(value);
        }
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        self.0.get_mut(id as usize)?.take()
    }
}
